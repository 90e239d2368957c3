package tenantbudget

import (
	"context"
	"fmt"
	"slices"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// Enforcers send no news of what single users spend: there may be very many. Instead, the
// users who have made calls are looked at periodically.
const (
	lookAtUsers = time.Minute
	// lookBack is how long before a look a call may have been admitted that was not in
	// the ledger at the look before: the longest of calls, with plenty to spare.
	lookBack = 15 * time.Minute
	// firstLookBack is how far a manager looks back that has not looked before.
	firstLookBack = time.Hour
	// usersAtOnce bounds what is asked of a store at once.
	usersAtOnce = 500
)

// userLook remembers what was found at looks at the users of a budget.
type userLook struct {
	// done is the moment of the last look that was taken to its end; next is when
	// another is due, however this one ends.
	done, next time.Time
	// recorded are the alerts of users that this manager has recorded under the rungs,
	// so that users who stay above them cost Postgres nothing.
	recorded map[string]bool
	rungs    string
}

// begin reports whether it is time for a look, and since when calls are to be looked
// at. Once a rung, a grant or a period is another, nothing counts as recorded.
func (l *userLook) begin(now time.Time, rungs []budgetstore.UserRung) (since time.Time, isDue bool) {
	if now.Before(l.next) {
		return time.Time{}, false
	}
	l.next = now.Add(lookAtUsers)
	if gist := fmt.Sprint(rungs); gist != l.rungs {
		l.rungs, l.recorded = gist, map[string]bool{}
	}
	if l.done.IsZero() {
		return now.Add(-firstLookBack), true
	}
	return l.done.Add(-lookBack), true
}

// fresh are the alerts that are not recorded yet.
func (l *userLook) fresh(alerts []budgetstore.Alert) []budgetstore.Alert {
	return slices.DeleteFunc(alerts, func(a budgetstore.Alert) bool { return l.recorded[gistOf(a)] })
}

func (l *userLook) note(alerts []budgetstore.Alert) {
	for _, alert := range alerts {
		l.recorded[gistOf(alert)] = true
	}
}

// alertOfUsers records which rungs single users of the tenant have reached, if it is
// time to look. The alerts are those of the whole tenant.
func (c *Controller) alertOfUsers(ctx context.Context, s *scope, alerts budgetstore.TenantAlerts) error {
	if len(alerts.UserRungs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, rollout.StoreTimeout)
	defer cancel()
	own, look := s.usage.own(), &s.memory.users
	since, isDue := look.begin(own.now, alerts.UserRungs)
	if !isDue {
		return nil
	}
	users, err := c.users.ActiveUsers(ctx, own.tenant, since)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(users, usersAtOnce) {
		counters, err := c.counters.ReadUsers(ctx, s.usage.root, own.tenant, some, own.userLimits...)
		if err != nil {
			return err
		}
		var reached []budgetstore.Alert
		for _, user := range some {
			reached = append(reached, s.usage.alertsOfUser(user, counters[user])...)
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

// userRungs are the rungs of the limits of each user: everybody's, and those of users
// who are granted more by name.
func (u *levelUsage) userRungs() []budgetstore.UserRung {
	var rungs []budgetstore.UserRung
	for _, limit := range u.userLimits {
		span := period.Containing(limit.Period, u.zone, u.now)
		users := []string{""}
		for _, grant := range limit.Grants {
			if !slices.Contains(users, grant.User) {
				users = append(users, grant.User)
			}
		}
		for _, user := range users {
			theirs, _ := limit.At(u.now, user)
			for _, rung := range u.rungsOf(theirs) {
				rungs = append(rungs, budgetstore.UserRung{Rung: rung.Rung, User: user, Period: span})
			}
		}
	}
	return rungs
}

// alertsOfUser are the alerts of a user whose counters are these, by their fields.
func (u *usage) alertsOfUser(user string, counters map[string]limiterv1.MoneyCounter) []budgetstore.Alert {
	own := u.own()
	var alerts []budgetstore.Alert
	for _, limit := range own.userLimits {
		span := period.Containing(limit.Period, own.zone, own.now)
		counter := counters[limiterv1.MoneyField(limit)]
		if !counter.Start.Before(span.End) {
			continue // The period has turned since now: the next look finds it.
		}
		theirs, _ := limit.At(own.now, user)
		spent, _ := counter.In(span)
		of := limitUsage{MoneyLimit: theirs, spent: spent, resetsAt: span.End}
		for _, rung := range own.rungsOf(theirs) {
			if limiterv1.Reached(spent, rung.at) {
				alerts = append(alerts, budgetstore.Alert{
					Rung: rung.Rung, User: user, Period: span, Spent: spent, Message: u.userMessage(user, of, rung.Rung),
				})
			}
		}
	}
	return alerts
}

// userMessage says that a user has reached a rung.
func (u *usage) userMessage(user string, limit limitUsage, rung budgetstore.Rung) string {
	resets := limit.resetsAt.Format(time.RFC3339)
	message := fmt.Sprintf("user %s has reached the %d%% rung of limit %s: %s; ", user, rung.AtPercent, limit.Name, spentOf(limit))
	if rung.Action == ledgerv1.Exhaust {
		message = fmt.Sprintf("user %s has fully spent limit %s: %s; ", user, limit.Name, spentOf(limit))
	}
	switch rung.Action {
	case limiterv1.Trip, ledgerv1.Exhaust:
		return message + fmt.Sprintf("paid calls of the user that count against it %s %s", refused(u.own().shadow), limit.until())
	case limiterv1.Downgrade:
		return message + "cheaper models are called until " + resets
	}
	return message + "resets at " + resets
}
