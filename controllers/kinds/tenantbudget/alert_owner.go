package tenantbudget

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// Enforcers send no news of what single users, groups and APIKeys spend: there may be very
// many. Instead, the controller periodically looks at those that have made calls.
const (
	lookAtOwners = time.Minute
	// lookBack is how long before the previous look a call may have been admitted that was not in
	// the ledger at that look: more than the longest call takes.
	lookBack = 15 * time.Minute
	// firstLookBack is how far the first look of a manager goes back.
	firstLookBack = time.Hour
	// ownersAtOnce is how many owners one request to a store is about, at most.
	ownersAtOnce = 500
)

// ownerLook remembers the results of looks at the owners of a budget.
type ownerLook struct {
	// done is the time of the last look that was completed; next is when another look
	// is due, whether or not this one is completed.
	done, next time.Time
	// recorded are the alerts of owners that this manager has recorded while rungs was as
	// it is, so that owners that stay above their rungs cost Postgres nothing.
	recorded map[string]bool
	rungs    digest
}

// begin reports whether a look is due, and since when calls have to be looked at. Once
// a rung, a grant or a period has changed, no alert counts as recorded.
func (l *ownerLook) begin(now time.Time, rungs []budgetstore.OwnerRung) (since time.Time, isDue bool) {
	if now.Before(l.next) {
		return time.Time{}, false
	}
	l.next = now.Add(lookAtOwners)
	if gist := digestOf(fmt.Sprint(rungs)); gist != l.rungs {
		l.rungs, l.recorded = gist, map[string]bool{}
	}
	if l.done.IsZero() {
		return now.Add(-firstLookBack), true
	}
	return l.done.Add(-lookBack), true
}

// fresh are the alerts that are not recorded yet.
func (l *ownerLook) fresh(alerts []budgetstore.Alert) []budgetstore.Alert {
	return slices.DeleteFunc(alerts, func(a budgetstore.Alert) bool { return l.recorded[gistOf(a)] })
}

func (l *ownerLook) note(alerts []budgetstore.Alert) {
	for _, alert := range alerts {
		l.recorded[gistOf(alert)] = true
	}
}

// alertOfOwners records which rungs single users, groups and APIKeys of the tenant have
// reached, if it is time to look. The alerts are those of the whole tenant.
func (c *Controller) alertOfOwners(ctx context.Context, s *scope, alerts budgetstore.TenantAlerts) error {
	if len(alerts.OwnerRungs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rollout.StoreTimeout)
	defer cancel()
	own, look := s.usage.own(), &s.memory.owners
	since, isDue := look.begin(own.now, alerts.OwnerRungs)
	if !isDue {
		return nil
	}
	owners, err := c.activeOwners(ctx, own, since)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(owners, ownersAtOnce) {
		counters, err := c.counters.ReadOwners(ctx, s.usage.root, own.tenant, some, own.ownerLimits...)
		if err != nil {
			return err
		}
		var reached []budgetstore.Alert
		for _, owner := range some {
			reached = append(reached, s.usage.alertsOfOwner(owner, counters[owner])...)
		}
		fresh := look.fresh(reached)
		if len(fresh) == 0 {
			continue
		}
		both := alerts
		both.Reached = slices.Concat(alerts.Reached, fresh)
		if err := c.recordAlerts(ctx, s, both); err != nil {
			return err
		}
		look.note(fresh)
	}
	look.done = own.now
	return nil
}

// activeOwners are the owners that have made calls, of the scopes for which there are limits.
func (c *Controller) activeOwners(ctx context.Context, own *levelUsage, since time.Time) (all []limiterv1.Owner, err error) {
	for _, per := range limiterv1.OwnerScopes() {
		if !slices.ContainsFunc(own.ownerLimits, func(l limiterv1.MoneyLimit) bool { return l.Per == per }) {
			continue
		}
		owners, err := c.owners.ActiveOwners(ctx, own.tenant, per, since)
		if err != nil {
			return nil, err
		}
		all = append(all, owners...)
	}
	return all, nil
}

// ownerRungs are the rungs of the limits of owners: those for everybody, and those of
// owners that have a grant of their own.
func (u *levelUsage) ownerRungs() []budgetstore.OwnerRung {
	var rungs []budgetstore.OwnerRung
	for _, limit := range u.ownerLimits {
		span := period.Containing(limit.Period, u.zone, u.now)
		owners := []limiterv1.Owner{{}}
		for _, grant := range limit.Grants {
			if !slices.Contains(owners, grant.Owner) {
				owners = append(owners, grant.Owner)
			}
		}
		for _, owner := range owners {
			theirs, _ := limit.At(u.now, owner)
			for _, rung := range u.rungsOf(theirs) {
				rungs = append(rungs, budgetstore.OwnerRung{Rung: rung.Rung, Owner: owner, Period: span})
			}
		}
	}
	return rungs
}

// alertsOfOwner are the alerts of an owner by its counters, which have the names of their fields.
func (u *usage) alertsOfOwner(owner limiterv1.Owner, counters map[string]limiterv1.MoneyCounter) []budgetstore.Alert {
	own := u.own()
	var alerts []budgetstore.Alert
	for _, limit := range own.ownerLimits {
		if limit.Per != owner.Scope() || !limit.CountsFor(owner) {
			continue
		}
		span := period.Containing(limit.Period, own.zone, own.now)
		counter := counters[limiterv1.MoneyField(limit)]
		if !counter.Start.Before(span.End) {
			continue // The period has turned since now: the next look finds it.
		}
		theirs, _ := limit.At(own.now, owner)
		spent, _ := counter.In(span)
		of := limitUsage{MoneyLimit: theirs, spent: spent, resetsAt: span.End}
		for _, rung := range own.rungsOf(theirs) {
			if limiterv1.Reached(spent, rung.at) {
				alerts = append(alerts, budgetstore.Alert{
					Rung: rung.Rung, Owner: owner, Period: span, Spent: spent, Message: u.ownerMessage(owner, of, rung.Rung),
				})
			}
		}
	}
	return alerts
}

// ownerMessage says that a user, a group or an APIKey has reached a rung.
func (u *usage) ownerMessage(owner limiterv1.Owner, limit limitUsage, rung budgetstore.Rung) string {
	resets := limit.resetsAt.Format(time.RFC3339)
	message := fmt.Sprintf("%s has reached the %d%% rung of limit %s: %s; ", owner, rung.AtPercent, limit.Name, spentOf(limit))
	if rung.Action == ledgerv1.Exhaust {
		message = fmt.Sprintf("%s has fully spent limit %s: %s; ", owner, limit.Name, spentOf(limit))
	}
	switch rung.Action {
	case limiterv1.Trip, ledgerv1.Exhaust:
		return message + fmt.Sprintf("paid calls of the %s that count against it %s %s", strings.ToLower(string(owner.Scope())), refused(u.own().shadow), limit.until())
	case limiterv1.Downgrade:
		return message + "cheaper models are called until " + resets
	}
	return message + "resets at " + resets
}
