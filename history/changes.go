package history

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
)

// LimitChange is a change of a limit, or of what a budget does with its limits.
type LimitChange struct {
	// At is when it came into force.
	At time.Time
	// Limit is the name of the limit; empty for a change of the whole budget.
	Limit string
	// From and To say what it was and is. From is empty for something new, and To for something
	// that is gone.
	From, To string
	// By are the users who asked for it, as the API server authenticated them. There are
	// several if they asked for changes one after the other before any of these came into
	// force, and none if it is not on record who asked.
	By []string
	// FieldManager is the name that the client gave itself, which proves nothing.
	FieldManager string
	// Namespace, Budget, Generation and ResourceVersion name the object that brought the change,
	// and its state then: the TenantBudget or the BudgetGrant, or the RateLimitPolicy if IsRate.
	Namespace, Budget string
	// IsRate is whether it is about a limit of a RateLimitPolicy.
	IsRate          bool
	Generation      int64
	ResourceVersion string
}

const limitsOf = `
SELECT limit_name, per, period, time_zone, amount_nanos, tiers, models, groups, labels, trip_nanos, budget_uid, generation, valid_from, valid_to, currency, amount_written
FROM budget_limits WHERE tenant_id = @tenant
ORDER BY limit_name, valid_from`

const changesOf = `
SELECT budget_uid, namespace, budget, generation, change, resource_version, changed_by, field_manager, enforcement, breaker_forced, recorded_at
FROM budget_changes WHERE tenant_id = @tenant
ORDER BY recorded_at, generation`

const grantsSince = `
SELECT limit_name, grant_name, namespace, coalesce(user_id, ''), coalesce(group_name, ''), coalesce(credential, ''), amount_nanos, reason, created_at, starts_at, expires_at, withdrawn_at, created_by, currency, amount_written
FROM budget_grants WHERE tenant_id = @tenant
ORDER BY created_at`

// limitRow is a limit, as long as it stayed as it was.
type limitRow struct {
	name, text, uid string
	generation      int64
	from            time.Time
	to              *time.Time
}

// changeRow is a TenantBudget, as it was changed.
type changeRow struct {
	LimitChange
	uid, change, enforcement, forced string
}

// Changes are the changes of a tenant's limits from a moment on, oldest first: changes of the
// limits themselves and of whether they are enforced, and grants.
func (r *Reader) Changes(ctx context.Context, tenant string, since time.Time) (all []LimitChange, err error) {
	err = r.forTenant(ctx, tenant, func(tx pgx.Tx) error {
		args := pgx.NamedArgs{"tenant": tenant}
		limits, err := collect(ctx, tx, limitsOf, args, scanLimitRow)
		if err != nil {
			return err
		}
		changes, err := collect(ctx, tx, changesOf, args, scanChangeRow)
		if err != nil {
			return err
		}
		granted, err := collect(ctx, tx, grantsSince, args, scanGranted)
		if err != nil {
			return err
		}
		rates, err := collect(ctx, tx, ratesOf, args, scanRateRow)
		all = slices.Concat(limitChanges(limits, changes), rateChanges(rates), budgetChanges(changes), slices.Concat(granted...))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read how the limits of tenant %s were changed: %w", tenant, err)
	}
	all = slices.DeleteFunc(all, func(c LimitChange) bool { return c.At.Before(since) })
	slices.SortStableFunc(all, func(a, b LimitChange) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Limit, b.Limit)) })
	return all, nil
}

func collect[T any](ctx context.Context, tx pgx.Tx, query string, args pgx.NamedArgs, scan pgx.RowToFunc[T]) ([]T, error) {
	rows, err := tx.Query(ctx, query, args)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scan)
}

func scanLimitRow(row pgx.CollectableRow) (l limitRow, err error) {
	var per, period, zone, currency, written string
	var amount money.Nanos
	var trip *money.Nanos
	var tiers, models, groups []string
	var labels map[string]string
	err = row.Scan(&l.name, &per, &period, &zone, &amount, &tiers, &models, &groups, &labels, &trip, &l.uid, &l.generation, &l.from, &l.to, &currency, &written)
	l.text = fmt.Sprintf("%s per %s", inWords(amount, currency, written), period)
	if per != string(limiterv1.PerTenant) {
		l.text += " for each " + strings.ToLower(per)
	}
	for _, part := range []struct {
		of     string
		values []string
	}{{"tiers", tiers}, {"models", models}, {"groups", groups}, {"labels", labelTexts(labels)}} {
		if len(part.values) > 0 {
			l.text += fmt.Sprintf(", %s %s", part.of, strings.Join(part.values, ", "))
		}
	}
	if trip != nil {
		l.text += fmt.Sprintf(", trips at %s", *trip)
	}
	if zone != "UTC" {
		l.text += ", " + zone
	}
	return l, err
}

// labelTexts are labels with their values, in order.
func labelTexts(labels map[string]string) (texts []string) {
	for name, value := range labels {
		texts = append(texts, name+": "+value)
	}
	slices.Sort(texts)
	return texts
}

func scanChangeRow(row pgx.CollectableRow) (c changeRow, err error) {
	err = row.Scan(&c.uid, &c.Namespace, &c.Budget, &c.Generation, &c.change, &c.ResourceVersion, &c.By, &c.FieldManager,
		&c.enforcement, &c.forced, &c.At)
	return c, err
}

// inWords is an amount in the currency that it is written in, and in US dollars.
func inWords(amount money.Nanos, currency, written string) string {
	if currency == "USD" {
		return fmt.Sprintf("%s USD", amount)
	}
	return fmt.Sprintf("%s %s (%s USD)", written, currency, amount)
}

// scanGranted are the changes of a grant: that it was given and, if it was taken back before its
// end, that.
func scanGranted(row pgx.CollectableRow) (changes []LimitChange, err error) {
	c := LimitChange{Generation: 1}
	var owner limiterv1.Owner
	var reason, currency, written string
	var amount money.Nanos
	var starts, withdrawn *time.Time
	var expires time.Time
	err = row.Scan(&c.Limit, &c.Budget, &c.Namespace, &owner.User, &owner.Group, &owner.Key, &amount, &reason, &c.At, &starts, &expires, &withdrawn, &c.By, &currency, &written)
	text := fmt.Sprintf("granted %s more", inWords(amount, currency, written))
	if !owner.IsTenant() {
		text += " for " + owner.String()
	}
	if starts != nil {
		text += " from " + starts.UTC().Format(time.RFC3339)
	}
	c.To = fmt.Sprintf("%s until %s (BudgetGrant %s): %s", text, expires.UTC().Format(time.RFC3339), c.Budget, reason)
	changes = append(changes, c)
	if withdrawn != nil && withdrawn.Before(expires) {
		back := c
		back.At, back.From, back.To, back.By = *withdrawn, text+fmt.Sprintf(" (BudgetGrant %s)", c.Budget), "", nil
		changes = append(changes, back)
	}
	return changes, err
}

// limitChanges are the changes from each row of a limit to the next, and its end.
func limitChanges(limits []limitRow, changes []changeRow) (all []LimitChange) {
	for i, limit := range limits {
		c := cause(changes, limit.from, limit.uid, limit.generation)
		c.Limit, c.To = limit.name, limit.text
		if i > 0 && limits[i-1].name == limit.name && limits[i-1].to != nil && limits[i-1].to.Equal(limit.from) {
			c.From = limits[i-1].text
		}
		if c.From != c.To { // equal if, for example, a budget was deleted and created again
			all = append(all, c)
		}
		isReplaced := i+1 < len(limits) && limits[i+1].name == limit.name && limit.to != nil && limits[i+1].from.Equal(*limit.to)
		if limit.to != nil && !isReplaced {
			end := cause(changes, *limit.to, limit.uid, -1)
			end.Limit, end.From = limit.name, limit.text
			all = append(all, end)
		}
	}
	return all
}

// cause is the change that was recorded at a moment, in the same transaction, or else the change
// to a generation, if that is on record.
func cause(changes []changeRow, at time.Time, uid string, generation int64) LimitChange {
	for _, c := range changes {
		if c.At.Equal(at) {
			return c.LimitChange
		}
	}
	for _, c := range changes {
		if c.uid == uid && c.Generation == generation && c.change == "Set" {
			found := c.LimitChange
			found.At = at
			return found
		}
	}
	return LimitChange{At: at, Generation: max(generation, 0)}
}

// budgetChanges are the changes of whether the limits are enforced.
func budgetChanges(changes []changeRow) (all []LimitChange) {
	before := map[string]string{}
	for _, c := range changes {
		for _, now := range []struct{ what, value, usual string }{
			{"enforcement", c.enforcement, "Enforce"}, {"breaker.forced", c.forced, ""},
		} {
			value := cmp.Or(now.value, now.usual)
			was, known := before[now.what]
			before[now.what] = value
			if c.change != "Set" || value == was || !known && value == now.usual {
				continue
			}
			change := c.LimitChange
			change.To = now.what + ": " + cmp.Or(value, "unset")
			if known {
				change.From = now.what + ": " + cmp.Or(was, "unset")
			}
			all = append(all, change)
		}
	}
	return all
}
