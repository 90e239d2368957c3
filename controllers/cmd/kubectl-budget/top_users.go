package main

import (
	"context"
	"os"
	"slices"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/compile"
	"github.com/bursar-dev/bursar/history"
)

// userLimit names a limit of each user.
type userLimit struct{ tenant, limit string }

// userLimits finds out who has used most of each limit of each user, from time to time.
type userLimits struct {
	// reader is nil without a ledger.
	reader *history.Reader
	at     time.Time
	most   map[userLimit]history.UserUsage
}

// userLimits opens the ledger, if one is named.
func (o *topOptions) userLimits(ctx context.Context) (users *userLimits, closeIt func(), err error) {
	if o.ledger.url == "" && os.Getenv(databaseVariable) == "" {
		return &userLimits{}, func() {}, nil
	}
	reader, closeIt, err := o.ledger.open(ctx)
	return &userLimits{reader: reader}, closeIt, err
}

func (u *userLimits) known() bool { return u.reader != nil }

// of are the users who have used most of each limit of each user of the budgets.
func (u *userLimits) of(ctx context.Context, budgets []v1alpha1.TenantBudget, now time.Time) (map[userLimit]history.UserUsage, error) {
	if u.reader == nil || u.most != nil && now.Sub(u.at) < usersEvery {
		return u.most, nil
	}
	most := map[userLimit]history.UserUsage{}
	for _, budget := range budgets {
		if !hasUserLimits(budget) {
			continue
		}
		limits, err := u.reader.LimitsAt(ctx, budget.Spec.Tenant, now)
		if err != nil {
			return nil, err
		}
		for _, limit := range limits {
			if limit.Per != limiterv1.PerUser {
				continue
			}
			worst, err := u.reader.MostUsed(ctx, limit, now)
			if err != nil {
				return nil, err
			}
			if worst != nil {
				most[userLimit{budget.Spec.Tenant, limit.Name}] = *worst
			}
		}
	}
	u.most, u.at = most, now
	return most, nil
}

func hasUserLimits(budget v1alpha1.TenantBudget) bool {
	return slices.ContainsFunc(budget.Spec.Limits, func(l v1alpha1.MoneyLimit) bool { return l.Per == v1alpha1.ScopeUser })
}

// usersOf are the limits of each user, each as far as the user has used it who has used most.
func usersOf(budget v1alpha1.TenantBudget, of usedLimit, most map[userLimit]history.UserUsage) (rows []usedLimit) {
	for _, limit := range budget.Spec.Limits {
		if limit.Per != v1alpha1.ScopeUser {
			continue
		}
		row := usedLimit{
			Namespace: of.Namespace, Budget: of.Budget, Tenant: of.Tenant, Limit: limit.Name, Per: string(limit.Per),
			Breaker: of.Breaker, OpenedBy: of.OpenedBy, Ready: of.Ready, Problem: of.Problem,
		}
		row.useWritten(limit.Amount, budget.Spec.Currency)
		if user, found := most[userLimit{budget.Spec.Tenant, limit.Name}]; found {
			row.use(user, budget.Spec)
		}
		rows = append(rows, row)
	}
	return rows
}

// useWritten sets the amount as it is written in the currency.
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

// use sets the figures of a user.
func (l *usedLimit) use(user history.UserUsage, spec v1alpha1.TenantBudgetSpec) {
	l.User, l.Spent, l.Amount = user.User, user.Spent.String(), user.Amount.String()
	l.Percent = user.Spent.Percent(user.Amount)
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
			Code: spec.Currency.Code, Amount: rate.FromUSD(user.Amount), Spent: rate.FromUSD(user.Spent),
		}
	}
}

// figures are the amounts for people: in the budget's currency, of which the amount has the
// code, or in US dollars, without.
func (l usedLimit) figures() (spent, held, amount string) {
	if in := l.InCurrency; in != nil {
		return in.Spent, in.Held, in.Amount + " " + in.Code
	}
	return l.Spent, l.Held, l.Amount
}
