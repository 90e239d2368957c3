package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/history"
)

// routeQuestions ask every route of the API that only reads.
func routeQuestions(now time.Time, site *site, k known) []question {
	a := asked{site: site, kind: "route"}
	ask := func(user, path string) { a.add(user, api.Root+path) }
	for _, user := range []string{employee, admin} {
		for _, d := range history.UsageDimensions() {
			for _, n := range []int{days, 31} {
				if d != history.ByHour || n == 31 {
					ask(user, "/usage?"+by(d)+"&"+lastDays(now, n))
				}
			}
		}
		ask(user, "/usage?"+lastDays(now, days))
		ask(user, "/usage") // this month
		for _, pair := range pairs() {
			ask(user, "/usage?"+by(pair...)+"&"+lastDays(now, 31))
		}
		ask(user, "/usage?by=day,model&limit=10000&format=csv&"+lastDays(now, days))
		for _, list := range []string{"/usage/calls", "/refusals"} {
			for _, where := range []string{"", "&model=model-3", "&group=team-0", "&provider=google", "&decision=Fallback", "&labels=cost-centre%3D7", "&model=none", "&limit=1000&format=csv"} {
				ask(user, list+"?"+lastDays(now, days)+where)
			}
		}
		for _, path := range []string{"/me", "/limits", "/budgets", "/alerts", "/grants", "/keys", "/requests"} {
			ask(user, path)
		}
	}
	for _, pair := range pairs() {
		ask(admin, "/usage?limit=10000&format=csv&"+by(pair...)+"&"+lastDays(now, 31))
	}
	for _, where := range []string{"user=" + employee, "model=model-3", "group=team-7", "provider=google&tier=gerente"} {
		ask(admin, "/usage?by=day,model&"+lastDays(now, 31)+"&"+where)
		ask(admin, "/usage?by=user&"+lastDays(now, days)+"&"+where)
	}
	for _, user := range []int{77, users - 1} {
		ask(admin, "/usage/calls?"+lastDays(now, days)+"&user="+userName(user))
	}
	a.addEach(admin, api.Root+"/usage/calls, from any hour", func(r *rand.Rand) string {
		return api.Root + "/usage/calls?" + until(now, r) + "&limit=1000"
	})
	a.addEach(admin, api.Root+"/usage/calls/{id}", func(r *rand.Rand) string { return api.Root + "/usage/calls/" + pick(r, k.calls) })
	a.addEach(admin, api.Root+"/usage/calls/{id}, refused", func(r *rand.Rand) string { return api.Root + "/usage/calls/" + pick(r, k.refused) })
	a.addEach(employee, api.Root+"/usage/calls/{id}", func(r *rand.Rand) string { return api.Root + "/usage/calls/" + pick(r, k.own) })
	for _, path := range []string{"/budgets/" + tenant, "/budgets/" + tenant + "/changes", "/alerts/settings"} {
		ask(admin, path)
	}
	for _, d := range []string{"tenant", "day,tenant", "day,model", "provider"} {
		ask(adminAbove, "/usage?below=true&by="+d+"&"+lastDays(now, days))
	}
	ask(adminAbove, "/usage?tenant="+tenant+"&by=day,model&"+lastDays(now, days))
	ask(platformAdmin, "/budgets")
	ask(platformAdmin, "/health")
	return a.all
}

// by groups usage.
func by(dimensions ...history.Dimension) string {
	names := make([]string, len(dimensions))
	for i, d := range dimensions {
		names[i] = string(d)
	}
	query := "by=" + strings.Join(names, ",")
	if slices.Contains(dimensions, history.ByLabel) {
		query += "&label=" + costCentre
	}
	return query
}

// lastDays are the last days, today included, as the API takes them.
func lastDays(now time.Time, n int) string {
	tomorrow := now.AddDate(0, 0, 1)
	return "from=" + tomorrow.AddDate(0, 0, -n).Format(time.DateOnly) + "&to=" + tomorrow.Format(time.DateOnly)
}

// until ends at any hour of the last 80 days.
func until(now time.Time, random *rand.Rand) string {
	to := now.Truncate(time.Hour).Add(-time.Duration(random.IntN(80*24)) * time.Hour)
	return "from=" + to.AddDate(0, 0, -days).Format(time.RFC3339) + "&to=" + to.Format(time.RFC3339)
}

// compareRoutes compares what the API says, by each dimension, with the ledger: its total, its rows, and the
// same as CSV.
func compareRoutes(ctx context.Context, ledger *pgxpool.Pool, site *site, now time.Time) error {
	var wrong []string
	for _, of := range []struct{ who, user string }{{admin, ""}, {employee, employee}} {
		var want sums
		for _, d := range history.UsageDimensions() {
			query := "/usage?limit=10000&" + by(d) + "&" + lastDays(now, 31)
			a, err := site.get(ctx, api.Root+query, site.token(of.who))
			if err != nil {
				return err
			}
			var usage api.Usage
			if err := json.Unmarshal(a.body, &usage); err != nil {
				return err
			}
			if want, err = sumLedger(ctx, ledger, of.user, usage.From, usage.To); err != nil {
				return err
			}
			table, err := site.get(ctx, api.Root+query+"&format=csv", site.token(of.who))
			if err != nil {
				return err
			}
			ofTable, err := sumTable(table.body)
			if err != nil {
				return err
			}
			for name, got := range map[string]sums{"total": summed(usage.Total), "rows": summed(rowsOf(usage)...), "CSV": ofTable} {
				if got != want {
					wrong = append(wrong, fmt.Sprintf("%s of %s by %s: %s, but the ledger has %s", name, of.who, d, got, want))
				}
			}
		}
		fmt.Printf("As %s asks the API: %s, as total, rows and CSV, by each dimension\n", of.who, want)
	}
	return differences(wrong)
}

func rowsOf(usage api.Usage) (all []api.Sums) {
	for _, row := range usage.Rows {
		all = append(all, row.Sums)
	}
	if usage.Others != nil {
		all = append(all, *usage.Others)
	}
	return all
}

func summed(all ...api.Sums) (s sums) {
	for _, one := range all {
		s.calls, s.nanos, s.refused = s.calls+one.Calls, s.nanos+one.Cost.Nanos, s.refused+one.Refused
		s.tokens += one.Tokens.Input + one.Tokens.Output
	}
	return s
}

// sumTable adds up the columns of a CSV.
func sumTable(body []byte) (s sums, err error) {
	rows, err := csv.NewReader(strings.NewReader(string(body))).ReadAll()
	if err != nil {
		return s, err
	}
	for _, row := range rows[1:] {
		value := func(column string) string { return row[slices.Index(rows[0], column)] }
		for column, into := range map[string]*int64{"calls": &s.calls, "refused": &s.refused, "input_tokens": &s.tokens, "output_tokens": &s.tokens} {
			n, err := strconv.ParseInt(value(column), 10, 64)
			if err != nil {
				return s, err
			}
			*into += n
		}
		cost, err := money.Parse(value("cost_usd"))
		if err != nil {
			return s, err
		}
		s.nanos += int64(cost)
	}
	return s, nil
}
