package anomaly

import (
	"context"
	"fmt"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/compile"
	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// The defaults of fields.
const (
	defaultMinAmount  = v1alpha1.Amount("1.00")
	defaultAtPercent  = int32(25)
	defaultMinRefused = int64(20)
	defaultDays       = int32(90)
)

// inHour is what was unusual in an hour of a tenant.
func (w *Watcher) inHour(ctx context.Context, budget *v1alpha1.TenantBudget, zone *time.Location, hour time.Time) ([]budgetstore.Alert, error) {
	asked := budget.Spec.Alerts.Anomalies
	if asked.Spending == nil && asked.Refusals == nil {
		return nil, nil
	}
	compared := comparedWith(hour, zone)
	used, err := w.sums.Hours(ctx, budget.Spec.Tenant, append([]time.Time{hour}, compared...))
	if err != nil {
		return nil, err
	}
	h := hourOf(hour, used)
	alert := budgetstore.Alert{Period: period.Containing(period.Day, zone, hour)}
	var found []budgetstore.Alert
	if asked.Refusals != nil && h.areMany(*asked.Refusals) {
		alert.Rung = budgetstore.Rung{Action: ledgerv1.ManyRefusals}
		alert.Message = fmt.Sprintf("limits refused %d of %d calls between %s", h.refused, h.calls+h.refused, span(hour, zone))
		found = append(found, alert)
	}
	if asked.Spending == nil {
		return found, nil
	}
	floor := minAmount(budget)
	for _, user := range h.users {
		usual, is := unusual(user.now, floor, user.samples(compared))
		if !is {
			continue
		}
		alert.Rung = budgetstore.Rung{Action: ledgerv1.Unusual}
		alert.Owner, alert.Spent = limiterv1.Owner{User: user.name}, user.now
		who := "the tenant"
		if user.name != "" {
			who = alert.Owner.String()
		}
		alert.Message = fmt.Sprintf("%s spent %s USD between %s; %s USD is usual at that hour of that weekday", who, user.now, span(hour, zone), usual)
		found = append(found, alert)
	}
	return found, nil
}

// span is an hour, for people.
func span(hour time.Time, zone *time.Location) string {
	return hour.In(zone).Format("Monday 2006-01-02 15:04") + " and " + hour.Add(time.Hour).In(zone).Format("15:04 MST")
}

// minAmount is the least spending that is reported.
func minAmount(budget *v1alpha1.TenantBudget) money.Nanos {
	amount := budget.Spec.Alerts.Anomalies.Spending.MinAmount
	if amount == "" {
		amount = defaultMinAmount
	}
	floor, ok := compile.Dollars(amount, budget.Spec.Currency)
	if !ok {
		return money.USD
	}
	return floor
}

// hourUsed is what was used in an hour, and in the hours that it is compared with. The first of the
// users has no name: it is the whole tenant.
type hourUsed struct {
	users          []*userUsed
	calls, refused int64
}

type userUsed struct {
	name  string
	now   money.Nanos
	then  map[time.Time]money.Nanos
	since time.Time
}

func hourOf(hour time.Time, used []budgetstore.UserHour) hourUsed {
	tenant := &userUsed{then: map[time.Time]money.Nanos{}}
	h := hourUsed{users: []*userUsed{tenant}}
	user := tenant
	for _, row := range used {
		if row.User != user.name {
			user = &userUsed{name: row.User, then: map[time.Time]money.Nanos{}, since: row.Since}
			h.users = append(h.users, user)
		}
		if tenant.since.IsZero() || row.Since.Before(tenant.since) {
			tenant.since = row.Since
		}
		if row.Start.Equal(hour) {
			h.calls, h.refused = h.calls+row.Calls, h.refused+row.Refused
			user.now, tenant.now = row.Cost, tenant.now+row.Cost
			continue
		}
		user.then[row.Start.UTC()] = row.Cost
		tenant.then[row.Start.UTC()] += row.Cost
	}
	return h
}

// samples are what the user spent in the hours that are compared, as far as they are after the day
// of the first call.
func (u *userUsed) samples(compared []time.Time) (samples []money.Nanos) {
	for _, hour := range compared {
		if !u.since.IsZero() && !hour.Before(u.since) {
			samples = append(samples, u.then[hour])
		}
	}
	return samples
}

// areMany is whether many of the calls were refused.
func (h hourUsed) areMany(asked v1alpha1.ManyRefusals) bool {
	percent := int64(ptr.Deref(asked.AtPercent, defaultAtPercent))
	return h.refused >= ptr.Deref(asked.MinRefused, defaultMinRefused) && h.refused*100 >= percent*(h.calls+h.refused)
}

// unusedKeys returns alerts of the tenant's APIKeys that nobody has used for long. There are none, and
// isComplete is false, before there are sums of as many days.
func (w *Watcher) unusedKeys(ctx context.Context, l look, budget *v1alpha1.TenantBudget, zone *time.Location) (found []budgetstore.Alert, isComplete bool, err error) {
	asked := budget.Spec.Alerts.Anomalies.UnusedKeys
	if asked == nil {
		return nil, true, nil
	}
	days := ptr.Deref(asked.Days, defaultDays)
	since := l.now.AddDate(0, 0, -int(days))
	used, isComplete, err := w.sums.UsedKeys(ctx, budget.Spec.Tenant, since.UTC().Truncate(24*time.Hour))
	if err != nil || !isComplete {
		return nil, false, err
	}
	var keys v1alpha1.APIKeyList
	if err := w.objects.List(ctx, &keys, client.InNamespace(budget.Namespace)); err != nil {
		return nil, false, err
	}
	for i := range keys.Items {
		key := &keys.Items[i]
		name := key.Namespace + "/" + key.Name
		if key.Spec.BudgetRef.Name != budget.Name || used[name] || !isUnused(key, since, l.now) {
			continue
		}
		found = append(found, budgetstore.Alert{
			Rung: budgetstore.Rung{Action: ledgerv1.UnusedKey}, Owner: limiterv1.Owner{Key: name}, Period: period.Containing(period.Month, zone, l.now),
			Message: fmt.Sprintf("APIKey %s of user %s has not been used for %d days: delete it if nobody needs it", name, key.Spec.User, days),
		})
	}
	return found, true, nil
}

// isUnused is whether a key could be used since a moment and was not, as far as its object says.
func isUnused(key *v1alpha1.APIKey, since, now time.Time) bool {
	wasUsed := key.Status.LastUsedTime != nil && key.Status.LastUsedTime.After(since)
	hasExpired := key.Spec.ExpiresAt != nil && !now.Before(key.Spec.ExpiresAt.Time)
	return key.CreationTimestamp.Time.Before(since) && !wasUsed && !hasExpired
}
