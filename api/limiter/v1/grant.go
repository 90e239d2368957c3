package limiterv1

import (
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// Grant is an addition to a money limit for a time.
type Grant struct {
	// Name is that of the BudgetGrant, in the namespace of the budget.
	Name string `json:"name"`
	// Owner is the owner that gets it, for a limit that counts owners; the zero Owner stands
	// for every one.
	Owner
	Amount money.Nanos `json:"amount"`
	// StartsAt is when it begins to count, zero for always, and ExpiresAt is when it ceases
	// to. Both are by the clock that periods turn by.
	StartsAt  time.Time `json:"startsAt,omitzero"`
	ExpiresAt time.Time `json:"expiresAt"`
}

// always is the stretch in which a limit without grants has its amount.
var always = period.Span{Start: time.Unix(0, 0).UTC(), End: time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)}

// MaxGrants is how many grants the limits of a tenant may have together.
const MaxGrants = 64

// At is the limit for an owner at a moment: its amount includes what is granted then,
// and is at most money.Max; it has no grants. stretch is the time around the moment in
// which this stays the same, until a grant starts or expires.
func (l MoneyLimit) At(now time.Time, owner Owner) (limit MoneyLimit, stretch period.Span) {
	stretch = always
	for _, grant := range l.Grants {
		if !grant.IsTenant() && grant.Owner != owner {
			continue
		}
		if !now.Before(grant.StartsAt) && now.Before(grant.ExpiresAt) {
			l.Amount = min(l.Amount+grant.Amount, money.Max)
		}
		for _, turn := range []time.Time{grant.StartsAt, grant.ExpiresAt} {
			stretch = cut(stretch, turn, now)
		}
	}
	l.Grants = nil
	return l, stretch
}

// cut is the part of the span, before the turn or from it on, that now lies in.
func cut(span period.Span, turn, now time.Time) period.Span {
	switch {
	case now.Before(turn):
		if turn.Before(span.End) {
			span.End = turn
		}
	case turn.After(span.Start):
		span.Start = turn
	}
	return span
}
