package store

import (
	"encoding/binary"
	"math"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// layout says which fields of which key an operation counts in. The scripts take
// the fields of the tenant's key before those of the user's, and within a key
// money before buckets; the checks arrive tenant first, user after.
type layout struct {
	tenantMoney, userMoney, tenantBuckets, userBuckets []string
}

func layoutOf(money []admission.MoneyCheck, buckets []admission.BucketCheck) layout {
	var l layout
	for _, check := range money {
		field := limiterv1.MoneyField(check.Limit.Period)
		if check.Limit.Per == limiterv1.PerUser {
			l.userMoney = append(l.userMoney, field)
		} else {
			l.tenantMoney = append(l.tenantMoney, field)
		}
	}
	for _, check := range buckets {
		field := limiterv1.RateField(check.Limit)
		if check.Limit.Per == limiterv1.PerUser {
			l.userBuckets = append(l.userBuckets, field)
		} else {
			l.tenantBuckets = append(l.tenantBuckets, field)
		}
	}
	return l
}

// counts are how many fields there are, in the order in which the scripts want it.
func (l layout) counts() []int64 {
	return []int64{
		int64(len(l.tenantMoney)), int64(len(l.userMoney)),
		int64(len(l.tenantBuckets)), int64(len(l.userBuckets)),
	}
}

func (l layout) appendFields(args []any) []any {
	for _, fields := range [][]string{l.tenantMoney, l.tenantBuckets, l.userMoney, l.userBuckets} {
		for _, field := range fields {
			args = append(args, field)
		}
	}
	return args
}

func appendBuckets(numbers []int64, checks []admission.BucketCheck) []int64 {
	for _, check := range checks {
		numbers = append(numbers, check.Capacity(), check.Refill(), check.NeedPoints())
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
