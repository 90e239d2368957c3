package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"slices"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// scriptCall is what a script is told of a call; see counters.lua.
type scriptCall struct {
	script *redis.Script
	shard  uint32
	// session is whose call it is.
	session, id string
	text        []byte
	accounts    []scriptAccount
	numbers     []int64
	// more is another argument, for the script that wants one.
	more []any
}

// tenant is the key of the counters of the tenant whose call it is.
func (c scriptCall) tenant() string {
	if len(c.accounts) == 0 {
		return ""
	}
	return c.accounts[0].key
}

// limits is how many limits the call counts in.
func (c scriptCall) limits() (n int) {
	for _, a := range c.accounts {
		n += len(a.fields)
	}
	return n
}

// scriptAccount is what a script is told of an account.
type scriptAccount struct {
	key string
	// numbers are packed.
	numbers []byte
	fields  []string
}

func (a scriptAccount) equal(other scriptAccount) bool {
	return a.key == other.key && bytes.Equal(a.numbers, other.numbers) && slices.Equal(a.fields, other.fields)
}

// scriptRun is a run of a script for calls of a session in a shard.
type scriptRun struct {
	calls []*sent
	// accounts are those of all calls, each once, and numberOf the number of each from 1, by its key.
	accounts []scriptAccount
	numberOf map[string]int64
}

func newRun(first *sent) *scriptRun {
	r := &scriptRun{numberOf: make(map[string]int64, len(first.call.accounts))}
	r.add(first)
	return r
}

// add adds a call to the run, and reports whether it did. It does not if the call is for another
// script, shard or session, or comes with other limits of an account.
func (r *scriptRun) add(s *sent) bool {
	if len(r.calls) > 0 {
		first := r.calls[0].call
		if first.script != s.call.script || first.shard != s.call.shard || first.session != s.call.session {
			return false
		}
		for _, a := range s.call.accounts {
			if n := r.numberOf[a.key]; n > 0 && !r.accounts[n-1].equal(a) {
				return false
			}
		}
	}
	r.calls = append(r.calls, s)
	for _, a := range s.call.accounts {
		if r.numberOf[a.key] == 0 {
			r.accounts = append(r.accounts, a)
			r.numberOf[a.key] = int64(len(r.accounts))
		}
	}
	return true
}

// evalSha is the command that runs the script, by its hash. Its answer is a list of the answer to
// each call.
func (r *scriptRun) evalSha(ctx context.Context) *redis.Cmd {
	first := r.calls[0].call
	args := make([]any, 0, 16+8*len(r.accounts)+4*len(r.calls))
	const firstKey = 3
	args = append(args, "evalsha", first.script.Hash(), 1+len(r.accounts)+1, limiterv1.CallsKey(first.shard, first.session))
	for _, a := range r.accounts {
		args = append(args, a.key)
	}
	args = append(args, limiterv1.ClockKey(first.shard))
	for _, a := range r.accounts {
		args = append(args, a.numbers)
		for _, field := range a.fields {
			args = append(args, field)
		}
	}
	for _, s := range r.calls {
		args = append(args, s.call.id, s.call.text, packNumbers(append(r.counting(s.call), s.call.numbers...)))
		args = append(args, s.call.more...)
	}
	cmd := redis.NewCmd(ctx, args...)
	cmd.SetFirstKeyPos(firstKey)
	return cmd
}

// counting are how many accounts count a call, and which.
func (r *scriptRun) counting(call scriptCall) []int64 {
	numbers := append(make([]int64, 0, 1+len(call.accounts)+len(call.numbers)), int64(len(call.accounts)))
	for _, a := range call.accounts {
		numbers = append(numbers, r.numberOf[a.key])
	}
	return numbers
}

// packNumbers writes numbers as the scripts read them: as doubles, which are exact
// for every whole number up to 2^53, and for larger ones still larger than any
// limit.
func packNumbers(numbers []int64) []byte {
	packed := make([]byte, 0, 8*len(numbers))
	for _, n := range numbers {
		packed = binary.LittleEndian.AppendUint64(packed, math.Float64bits(float64(n)))
	}
	return packed
}

// unpackNumbers reads what scripts answer as packed doubles.
func unpackNumbers(packed string) []int64 {
	numbers := make([]int64, len(packed)/8)
	for i := range numbers {
		numbers[i] = int64(math.Float64frombits(binary.LittleEndian.Uint64([]byte(packed[8*i : 8*i+8]))))
	}
	return numbers
}

func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
