package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursar-dev/bursar/hack/showcase"
	"github.com/bursar-dev/bursar/history"
)

const (
	costCentre = "cost-centre"
	// West is the tenant's time zone, three hours from UTC. Half is that to which it moves in the end: its hours
	// begin at half past, by UTC.
	west, half = showcase.Zone, "Asia/Kolkata"
)

var asAdmin = history.As{Tenant: tenant, Admin: true}

// readerQuestions are what the ledger is asked of a tenant in its time zone.
func readerQuestions(now time.Time, reader *history.Reader, k known) []question {
	u := usageQuestions{now: now, reader: reader}
	u.addOf(west, days, 31)
	u.add(byParent, "a tenant below", days, west, history.UsageQuery{By: []history.Dimension{history.ByDay, history.ByModel}, Tenants: []string{tenant}})
	return append(u.all, listQuestions(now, reader, k)...)
}

// otherZoneQuestions are what kubectl asks for that is told another time zone than the tenant's, and who
// administers a tenant above in another one.
func otherZoneQuestions(now time.Time, reader *history.Reader) []question {
	u := usageQuestions{now: now, reader: reader}
	for _, zone := range []string{"UTC", half} {
		for _, d := range []history.Dimension{history.ByDay, history.ByModel} {
			u.add(byAdmin, "a tenant", days, zone, history.UsageQuery{By: []history.Dimension{d}})
			u.add(byParent, "a tenant below", days, zone, history.UsageQuery{By: []history.Dimension{d}, Tenants: []string{tenant}})
		}
	}
	u.add(byAdmin, "a tenant", 31, "UTC", history.UsageQuery{By: []history.Dimension{history.ByUser}})
	return u.all
}

// movedQuestions are what the ledger is asked after the tenant has moved to another time zone.
func movedQuestions(now time.Time, reader *history.Reader) []question {
	u := usageQuestions{now: now, reader: reader}
	u.addOf(half, 31)
	return u.all
}

func byAdmin(*rand.Rand) history.As  { return asAdmin }
func byParent(*rand.Rand) history.As { return history.As{Tenant: parent, Admin: true} }
func byAnybody(r *rand.Rand) history.As {
	return history.As{Tenant: tenant, User: userName(r.IntN(users))}
}

// addOf adds questions by one dimension and by two, of some stretches of days until today.
func (u *usageQuestions) addOf(zone string, of ...int) {
	for _, d := range history.UsageDimensions() {
		for _, days := range of {
			if d == history.ByHour && days > 31 {
				continue // more hours than there may be
			}
			u.add(byAdmin, "a tenant", days, zone, history.UsageQuery{By: []history.Dimension{d}})
			u.add(byAnybody, "a user", days, zone, history.UsageQuery{By: []history.Dimension{d}})
		}
	}
	for _, by := range pairs() {
		u.add(byAdmin, "a tenant", 31, zone, history.UsageQuery{By: by})
	}
	u.add(byAdmin, "a tenant", 7, zone, history.UsageQuery{By: []history.Dimension{history.ByHour, history.ByUser}})
	u.add(byAdmin, "a tenant", 7, zone, history.UsageQuery{By: []history.Dimension{history.ByHour, history.ByModel}})
	u.add(byAdmin, "a tenant", 31, zone, history.UsageQuery{By: []history.Dimension{history.ByUser}, Where: history.Filter{Models: []string{"model-3"}}})
	u.add(byAdmin, "a tenant", 31, zone, history.UsageQuery{By: []history.Dimension{history.ByDay, history.ByModel}, Where: history.Filter{Groups: []string{"team-7"}}})
}

// pairs are what is asked for two by two.
func pairs() [][]history.Dimension {
	return [][]history.Dimension{
		{history.ByDay, history.ByModel}, {history.ByDay, history.ByUser}, {history.ByDay, history.ByGroup}, {history.ByUser, history.ByModel}, {history.ByWeek, history.ByUser},
		{history.ByMonth, history.ByUser}, {history.ByGroup, history.ByModel}, {history.ByLabel, history.ByMonth}, {history.ByProvider, history.ByOutcome},
		{history.ByModel, history.ByDecision}, {history.ByCredential, history.ByEndpoint}, {history.ByDay, history.ByTier},
	}
}

// usageQuestions are questions of what was used, until the end of today.
type usageQuestions struct {
	now    time.Time
	reader *history.Reader
	all    []question
}

func (u *usageQuestions) add(as func(*rand.Rand) history.As, who string, days int, zoneName string, query history.UsageQuery) {
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		panic(err) // all zones are embedded
	}
	local := u.now.In(zone)
	query.To = time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, zone)
	query.From, query.Zone = query.To.AddDate(0, 0, -days), zone
	if slices.Contains(query.By, history.ByLabel) {
		query.Label = costCentre
	}
	name := fmt.Sprintf("usage of %s by %v, %d days, %s", who, query.By, days, zoneName)
	if len(query.Where.Models) > 0 {
		name += ", of a model"
	}
	if len(query.Where.Groups) > 0 {
		name += ", of a group"
	}
	u.all = append(u.all, question{name, func(ctx context.Context, r *rand.Rand) error {
		_, err := u.reader.Usage(ctx, as(r), query)
		return err
	}})
}

// listQuestions ask for pages of calls anywhere in three months.
func listQuestions(now time.Time, reader *history.Reader, k known) (all []question) {
	lists := []struct {
		name string
		ask  func(context.Context, history.As, history.ListQuery) (history.CallPage, error)
	}{{"calls", reader.ListCalls}, {"refusals", reader.ListRefusals}}
	for _, one := range []struct {
		name  string
		where history.Filter
	}{
		{"", history.Filter{}}, {" of a user", history.Filter{Users: []string{userName(77)}}}, {" of a rare user", history.Filter{Users: []string{userName(users - 1)}}},
		{" of a model", history.Filter{Models: []string{"model-3"}}}, {" of a rare decision", history.Filter{Decisions: []string{"Fallback"}}},
		{" of a group", history.Filter{Groups: []string{"team-7"}}}, {" of a cost centre", history.Filter{Labels: map[string]string{costCentre: "7"}}},
		{" of a model that nobody called", history.Filter{Models: []string{"none"}}},
	} {
		for _, list := range lists {
			all = append(all, question{"a page of " + list.name + one.name, func(ctx context.Context, r *rand.Rand) error {
				to := now.Add(-time.Duration(r.IntN(80*24)) * time.Hour)
				_, err := list.ask(ctx, asAdmin, history.ListQuery{From: now.AddDate(0, 0, -days), To: to, Where: one.where})
				return err
			}})
		}
	}
	return append(all, question{"a call", func(ctx context.Context, r *rand.Rand) error {
		_, err := reader.Call(ctx, asAdmin, pick(r, k.calls))
		return err
	}})
}

// sums are what is compared with the ledger.
type sums struct{ calls, nanos, tokens, refused int64 }

func (s sums) String() string {
	return fmt.Sprintf("%d calls of %d nano-dollars and %d tokens, and %d refused ones", s.calls, s.nanos, s.tokens, s.refused)
}

// sumLedger adds up the rows of the ledger.
func sumLedger(ctx context.Context, ledger *pgxpool.Pool, user string, from, to time.Time) (s sums, err error) {
	err = ledger.QueryRow(ctx, `
SELECT count(*), coalesce(sum(cost_nanos), 0)::bigint, coalesce(sum(input_tokens + output_tokens), 0)::bigint,
  (SELECT count(*) FROM ai_refusals WHERE tenant_id = $1 AND user_id = coalesce(nullif($2, ''), user_id) AND refused_at >= $3 AND refused_at < $4)
FROM ai_usage_logs WHERE tenant_id = $1 AND user_id = coalesce(nullif($2, ''), user_id) AND admitted_at >= $3 AND admitted_at < $4`,
		tenant, user, from, to).Scan(&s.calls, &s.nanos, &s.tokens, &s.refused)
	return s, err
}

// compareReader compares what is read, by each dimension, with the ledger.
func compareReader(ctx context.Context, ledger *pgxpool.Pool, reader *history.Reader, now time.Time) error {
	fmt.Println("\n== Sums beside the ledger")
	to := now.Truncate(24*time.Hour).AddDate(0, 0, 1)
	var wrong []string
	for _, from := range []time.Time{to.AddDate(0, 0, -days), to.AddDate(0, 0, -31).Add(-3 * time.Hour)} {
		want, err := sumLedger(ctx, ledger, "", from, to)
		if err != nil {
			return err
		}
		for _, d := range history.UsageDimensions() {
			query := history.UsageQuery{From: from, To: to, By: []history.Dimension{d}}
			switch d {
			case history.ByLabel:
				query.Label = costCentre
			case history.ByHour: // too many
				query.By = nil
			}
			usage, err := reader.Usage(ctx, asAdmin, query)
			if err != nil {
				return err
			}
			t := usage.Total
			if got := (sums{t.Calls, int64(t.Cost), t.Tokens.Input + t.Tokens.Output, t.Refused}); got != want {
				wrong = append(wrong, fmt.Sprintf("from %s by %s: %s, but the ledger has %s", from, d, got, want))
			}
		}
		fmt.Printf("From %s: %s, by each dimension\n", from.Format(time.RFC3339), want)
	}
	return differences(wrong)
}

// differences is an error if there are some.
func differences(all []string) error {
	if len(all) == 0 {
		return nil
	}
	return fmt.Errorf("not what the ledger has:\n%s", strings.Join(all, "\n"))
}
