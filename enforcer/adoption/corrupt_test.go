package adoption_test

import (
	"encoding/binary"
	"math"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestCorruptRecords: a call of a dead session whose amount or time cannot be right is charged the
// hold that its entry has, or its cost if it was settled. Nothing of it stays in Redis.
func TestCorruptRecords(t *testing.T) {
	admin, enforcer := newPools(t)
	number := func(i int, n float64) func([]byte) {
		return func(raw []byte) { binary.LittleEndian.PutUint64(raw[1+8*i:], math.Float64bits(n)) }
	}
	for name, tc := range map[string]struct {
		plant   func(raw []byte)
		settled bool
		want    money.Nanos
	}{
		"the amount is no number":             {plant: number(0, math.NaN()), want: 10 * money.Cent},
		"the amount is negative":              {plant: number(0, -1), want: 10 * money.Cent},
		"the amount is a fraction":            {plant: number(0, 0.5), want: 10 * money.Cent},
		"the time is no number":               {plant: number(1, math.NaN()), want: 10 * money.Cent},
		"the time is of long ago":             {plant: number(1, 1), want: 10 * money.Cent},
		"the time is still to come":           {plant: number(1, 1<<52), want: 10 * money.Cent},
		"settled, and the amount is infinite": {plant: number(0, math.Inf(1)), settled: true, want: 3 * money.Cent},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, admin, enforcer)
			call, ok := w.admit(t, 10*money.Cent, 3*money.Cent)
			if !ok {
				t.Fatal("not admitted")
			}
			if tc.settled {
				testkit.Must(t, call.hold.Settle(t.Context(), call.entry.Cost, 1, &call.entry))
			}
			key := limiterv1.CallsKey(limiterv1.Shard(w.doc.Tenant), w.session)
			raw, err := client.HGet(t.Context(), key, call.entry.CallID).Bytes()
			testkit.Must(t, err)
			tc.plant(raw)
			testkit.Must(t, client.HSet(t.Context(), key, call.entry.CallID, raw).Err())
			testkit.Must(t, w.adopter.Adopt(t.Context(), w.session))
			if left, _ := client.HGetAll(t.Context(), key).Result(); len(left) > 1 { // the fence
				t.Errorf("left in Redis: %q", left)
			}
			w.check(t, map[string]money.Nanos{call.entry.CallID: tc.want})
		})
	}
}
