package main

import (
	"context"
	"os"
	"slices"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
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
