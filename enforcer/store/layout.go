package store

import (
	"encoding/binary"
	"math"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// keys are the keys of an operation on a call, in the order the scripts want them.
func (s *Store) keys(epoch limiterv1.Epoch, root string, accounts []admission.Account) []string {
	keys := callKeys(root, s.session, len(accounts))
	for _, a := range accounts {
		keys = append(keys, limiterv1.CountersKey(root, epoch, a.Tenant, a.Owner))
	}
	return append(keys, limiterv1.ClockKey(limiterv1.Shard(root)))
}

// callKeys begins the keys of an operation on a call that is counted in so many accounts.
func callKeys(root, session string, accounts int) []string {
	keys := make([]string, 0, 1+accounts+1)
	return append(keys, limiterv1.CallsKey(limiterv1.Shard(root), session))
}

// appendFields appends the fields that the accounts' checks are about.
func appendFields(args []any, accounts []admission.Account) []any {
	for _, a := range accounts {
		for _, check := range a.Money {
			args = append(args, check.Field)
		}
		for _, check := range a.Buckets {
			args = append(args, check.Field)
		}
	}
	return args
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
