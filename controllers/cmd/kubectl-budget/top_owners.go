package main

import (
	"context"
	"slices"
	"time"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/history"
)

// ownerLimit names a limit of each user, group or APIKey.
type ownerLimit struct{ tenant, limit string }

// ownerLimits finds the owner that has used most of each such limit, from time to time.
type ownerLimits struct {
	// reader is nil without a ledger.
	reader *history.Reader
	at     time.Time
	most   map[ownerLimit]history.OwnerUsage
}

// ownerLimits opens the ledger, if one is named.
func (o *topOptions) ownerLimits(ctx context.Context) (owners *ownerLimits, closeIt func(), err error) {
	if !o.ledger.isNamed() {
		return &ownerLimits{}, func() {}, nil
	}
	reader, closeIt, err := o.ledger.open(ctx)
	return &ownerLimits{reader: reader}, closeIt, err
}

func (u *ownerLimits) known() bool { return u.reader != nil }

// of are the owners that have used most of each such limit of the budgets.
func (u *ownerLimits) of(ctx context.Context, budgets []v1alpha1.TenantBudget, now time.Time) (map[ownerLimit]history.OwnerUsage, error) {
	if u.reader == nil || u.most != nil && now.Sub(u.at) < usersEvery {
		return u.most, nil
	}
	most := map[ownerLimit]history.OwnerUsage{}
	for _, budget := range budgets {
		if !hasOwnerLimits(budget) {
			continue
		}
		limits, err := u.reader.LimitsAt(ctx, budget.Spec.Tenant, now)
		if err != nil {
			return nil, err
		}
		for _, limit := range limits {
			if limit.Per == limiterv1.PerTenant {
				continue
			}
			worst, err := u.reader.MostUsed(ctx, limit, now)
			if err != nil {
				return nil, err
			}
			if worst != nil {
				most[ownerLimit{budget.Spec.Tenant, limit.Name}] = *worst
			}
		}
	}
	u.most, u.at = most, now
	return most, nil
}

func hasOwnerLimits(budget v1alpha1.TenantBudget) bool {
	return slices.ContainsFunc(budget.Spec.Limits, func(l v1alpha1.MoneyLimit) bool { return countsOwners(l.Per) })
}

// countsOwners is whether limits of the scope count users, groups or APIKeys.
func countsOwners(per v1alpha1.Scope) bool { return per != "" && per != v1alpha1.ScopeTenant }

// ownersOf are the limits of each user, group or APIKey, each with the figures of the one that has
// used most of it.
func ownersOf(budget v1alpha1.TenantBudget, of usedLimit, most map[ownerLimit]history.OwnerUsage) (rows []usedLimit) {
	for _, limit := range budget.Spec.Limits {
		if !countsOwners(limit.Per) {
			continue
		}
		row := usedLimit{
			Namespace: of.Namespace, Budget: of.Budget, Tenant: of.Tenant, Limit: limit.Name, Per: string(limit.Per),
			Breaker: of.Breaker, OpenedBy: of.OpenedBy, Ready: of.Ready, Problem: of.Problem,
		}
		row.useWritten(limit.Amount, budget.Spec.Currency)
		if owner, found := most[ownerLimit{budget.Spec.Tenant, limit.Name}]; found {
			row.use(owner, budget.Spec)
		}
		rows = append(rows, row)
	}
	return rows
}

// useWritten sets the amount as it is written in the budget's currency.
func (l *usedLimit) useWritten(amount v1alpha1.Amount, currency *v1alpha1.Currency) {
	l.Amount = string(amount)
	if currency == nil {
		return
	}
	if dollars, ok := compile.Dollars(amount, currency); ok {
		l.Amount = dollars.String()
	}
	l.InCurrency = &v1alpha1.FiguresInCurrency{Code: currency.Code, Amount: string(amount)}
}

// use sets the figures of a user, a group or an APIKey.
func (l *usedLimit) use(owner history.OwnerUsage, spec v1alpha1.TenantBudgetSpec) {
	l.User, l.Group, l.APIKey = owner.Owner.User, owner.Owner.Group, owner.Owner.Key
	l.Spent, l.Amount, l.Percent = owner.Spent.String(), owner.Amount.String(), owner.Spent.Percent(owner.Amount)
	for _, rung := range spec.Ladder {
		if int64(rung.AtPercent) <= l.Percent {
			l.Rung = string(rung.Action)
		}
	}
	if spec.Currency == nil {
		return
	}
	if rate, err := money.ParseRate(spec.Currency.USDPerUnit); err == nil {
		l.InCurrency = &v1alpha1.FiguresInCurrency{
			Code: spec.Currency.Code, Amount: rate.FromUSD(owner.Amount), Spent: rate.FromUSD(owner.Spent),
		}
	}
}

// figures are the amounts for people: in the budget's currency, with its code after the amount, or
// in US dollars, without a code.
func (l usedLimit) figures() (spent, held, amount string) {
	if in := l.InCurrency; in != nil {
		return in.Spent, in.Held, in.Amount + " " + in.Code
	}
	return l.Spent, l.Held, l.Amount
}
