package limiterv1_test

import (
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

func TestGrantsInForce(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 25, hour, 0, 0, 0, time.UTC) }
	ever, never := time.Unix(0, 0).UTC(), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	limit := limiterv1.MoneyLimit{Name: "daily", Amount: 5, Grants: []limiterv1.Grant{
		{Name: "at-once", Amount: 1, ExpiresAt: at(12)},
		{Name: "later", Amount: 10, StartsAt: at(10), ExpiresAt: at(14)},
		{Name: "of-ana", Owner: limiterv1.Owner{User: "ana"}, Amount: 100, StartsAt: at(11), ExpiresAt: at(13)},
	}}
	for name, tc := range map[string]struct {
		now     time.Time
		user    string
		amount  money.Nanos
		stretch period.Span
	}{
		"before the second starts":           {at(10).Add(-1), "", 6, period.Span{Start: ever, End: at(10)}},
		"from its start on":                  {at(10), "", 16, period.Span{Start: at(10), End: at(12)}},
		"another's is no business of a user": {at(11), "ben", 16, period.Span{Start: at(10), End: at(12)}},
		"a user's own":                       {at(11), "ana", 116, period.Span{Start: at(11), End: at(12)}},
		"from the end of the first on":       {at(12), "ana", 115, period.Span{Start: at(12), End: at(13)}},
		"of whoever looks from elsewhere":    {at(12).In(time.FixedZone("", -3*60*60)), "", 15, period.Span{Start: at(12), End: at(14)}},
		"when all are over":                  {at(14), "ana", 5, period.Span{Start: at(14), End: never}},
	} {
		t.Run(name, func(t *testing.T) {
			got, stretch := limit.At(tc.now, limiterv1.Owner{User: tc.user})
			if got.Amount != tc.amount || stretch != tc.stretch || len(got.Grants) > 0 {
				t.Errorf("%d between %s and %s, with %d grants; want %d between %s and %s, and none",
					got.Amount, stretch.Start, stretch.End, len(got.Grants), tc.amount, tc.stretch.Start, tc.stretch.End)
			}
			if again, same := limit.At(stretch.Start, limiterv1.Owner{User: tc.user}); again.Amount != tc.amount || same != stretch {
				t.Errorf("at the start of the stretch it is %d in %v", again.Amount, same)
			}
			if again, same := limit.At(stretch.End.Add(-1), limiterv1.Owner{User: tc.user}); again.Amount != tc.amount || same != stretch {
				t.Errorf("at the end of the stretch it is %d in %v", again.Amount, same)
			}
		})
	}
	limit.Grants[0].Amount = money.Max
	if got, _ := limit.At(at(11), limiterv1.Owner{User: "ana"}); got.Amount != money.Max {
		t.Errorf("the limit is %s with its grants, more than can be counted", got.Amount)
	}
}
