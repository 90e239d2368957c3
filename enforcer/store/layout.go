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

// isWith is whether the same run of a script can be for both calls.
func (c scriptCall) isWith(other scriptCall) bool {
	return c.script == other.script && c.shard == other.shard && c.session == other.session
}

// evalSha is the command that runs a script, by its hash, for calls of a session in a shard. Its
// answer is a list of the answer to each.
func evalSha(ctx context.Context, calls []scriptCall) *redis.Cmd {
	first := calls[0]
	accounts, counting := distinct(calls)
	args := make([]any, 0, 16+8*len(accounts)+4*len(calls))
	const firstKey = 3
	args = append(args, "evalsha", first.script.Hash(), 1+len(accounts)+1, limiterv1.CallsKey(first.shard, first.session))
	for _, a := range accounts {
		args = append(args, a.key)
	}
	args = append(args, limiterv1.ClockKey(first.shard))
	for _, a := range accounts {
		args = append(args, a.numbers)
		for _, field := range a.fields {
			args = append(args, field)
		}
	}
	for i, c := range calls {
		args = append(args, c.id, c.text, packNumbers(append(counting[i], c.numbers...)))
		args = append(args, c.more...)
	}
	cmd := redis.NewCmd(ctx, args...)
	cmd.SetFirstKeyPos(firstKey)
	return cmd
}

// distinct are the accounts of calls, each once, and for each call how many count it and which,
// from 1.
func distinct(calls []scriptCall) (accounts []scriptAccount, counting [][]int64) {
	byKey := make(map[string][]int64, len(calls[0].accounts))
	counting = make([][]int64, len(calls))
	for i, c := range calls {
		counting[i] = append(make([]int64, 0, 1+len(c.accounts)+len(c.numbers)), int64(len(c.accounts)))
		for _, a := range c.accounts {
			same := slices.IndexFunc(byKey[a.key], func(n int64) bool { return accounts[n-1].equal(a) })
			if same < 0 {
				accounts = append(accounts, a)
				same = len(byKey[a.key])
				byKey[a.key] = append(byKey[a.key], int64(len(accounts)))
			}
			counting[i] = append(counting[i], byKey[a.key][same])
		}
	}
	return accounts, counting
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

func number(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}
