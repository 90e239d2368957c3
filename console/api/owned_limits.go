package api

import (
	"context"
	"errors"

	"k8s.io/utils/ptr"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/history"
)

// ownedLimits are the limits per User, Group and Key of a tenant that count calls of a user, and how they
// stand for the user, for each of the user's groups, and for the key, by the ledger.
func (a *api) ownedLimits(ctx context.Context, v view, who auth.Who, user string, by *limiterv1.Caller) (limits []Limit, err error) {
	if user == "" {
		return nil, nil
	}
	now := a.Now()
	inForce, err := a.Ledger.LimitsAt(ctx, v.tenant, now)
	if err != nil {
		return nil, err
	}
	for _, limit := range inForce {
		for _, owner := range ownersOf(limit.MoneyLimit, user, by) {
			granted := limit.For(owner, now)
			one := Limit{
				Name: limit.Name, Tenant: v.tenant, Per: string(limit.Per), Group: owner.Group, APIKey: owner.Key, Period: string(limit.Period),
				Selection: Selection{limit.Tiers, limit.Models, limit.Groups, limit.Labels}, ResetsAt: limit.Span.End.UTC(),
			}
			if seesSumOf(v, who, owner) {
				spent, err := a.spentOf(ctx, v.as, granted, owner)
				if err != nil {
					return nil, err
				}
				one.stand(granted.Amount, spent)
			}
			limits = append(limits, one)
		}
	}
	return limits, nil
}

// ownersOf are the owners that are charged for calls of a user by a limit that is not per Tenant. If only
// the user is known, by is nil, and it is the user alone.
func ownersOf(limit limiterv1.MoneyLimit, user string, by *limiterv1.Caller) []limiterv1.Owner {
	switch {
	case limit.Per == limiterv1.PerTenant:
		return nil
	case by != nil && limit.Selects(*by, ""):
		return limit.Owners(limit.Per, *by)
	case by == nil && limit.Per == limiterv1.PerUser:
		return []limiterv1.Owner{{User: user}}
	}
	return nil
}

// seesSumOf reports whether the caller may see all calls that an owner is charged for: users may see their
// own calls, and those of a key that calls for nobody else.
func seesSumOf(v view, who auth.Who, owner limiterv1.Owner) bool {
	return v.isAdmin() || owner.User != "" || owner.Key != "" && who.Key.ActFor == nil
}

// spentOf is what an owner has spent of a limit in its period; nil if the ledger's sums do not reach back
// to its beginning yet.
func (a *api) spentOf(ctx context.Context, as history.As, limit history.Limit, owner limiterv1.Owner) (*money.Nanos, error) {
	if owner.User != "" {
		spent, err := a.Ledger.SpentOf(ctx, as, limit, owner.User)
		return &spent, err
	}
	where := history.Filter{Tiers: limit.Tiers, Models: limit.Models, Groups: limit.Groups, Labels: limit.Labels}
	if owner.Group != "" {
		where.Groups = []string{owner.Group}
	} else {
		where.Credentials = []string{owner.Key}
	}
	usage, err := a.Ledger.Usage(ctx, as, history.UsageQuery{From: limit.Span.Start, To: a.Now().Truncate(history.Grain).Add(history.Grain), Where: where})
	var incomplete *history.IncompleteError
	if errors.As(err, &incomplete) {
		return nil, nil
	}
	return &usage.Total.Cost, err
}

// stand sets how the limit stands, if that is known.
func (l *Limit) stand(amount money.Nanos, spent *money.Nanos) {
	if spent == nil {
		return
	}
	l.Amount, l.Spent = ptr.To(usd(amount)), ptr.To(usd(*spent))
	l.Left = left(l.Amount.Nanos, l.Spent.Nanos, 0)
	l.Percent, l.Exhausted = ptr.To(spent.Percent(amount)), ptr.To(l.Left.Nanos == 0)
}
