package ask

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// answeredDay is what the API says of a day, as far as it is looked at here.
type answeredDay struct {
	Total struct {
		Calls int64
		Cost  struct {
			USD   string
			Nanos int64
		}
	}
	Rows []struct {
		Values     map[string]string
		Start, End time.Time
		Cost       struct{ Nanos int64 }
	}
}

// TestADayHasOneSum: on a day on which clocks are put back, there are calls in both hours that are called
// 2 o'clock and in the last half hour of the day. The sum is the same in the API's JSON and CSV, by day and by
// hour, in kubectl budget with the console and with the ledger, in the TenantBudget's status, and in the
// provider's bill. The test sets the clock of Redis ahead, and the limiter's time never goes back, so it is
// the last test.
func TestADayHasOneSum(t *testing.T) {
	zone, err := time.LoadLocation(zoneName)
	testkit.Must(t, err)
	tenant(t, "day", `timeZone: `+zoneName+`
limits: [{name: daily, period: Day, amount: "100.00"}]`)
	ends := clocksChange.Add(22 * time.Hour)
	moments := []time.Time{time.Now(), clocksChange.Add(time.Minute), ends.Add(-30 * time.Minute)}
	for i, at := range moments {
		testkit.Must(t, bursar.SetRedisClock(time.Until(at)))
		made := 0
		eventually(t, "calls are made at "+at.In(zone).String(), func() bool {
			status, _ := call(t, keyOf("day", "user"), "gpt-4o", strings.Repeat("How much is it? ", 3*i+made+1), "day")
			if status == http.StatusOK {
				made++
			}
			return made == 3
		})
	}
	calls, bill := billed("day")
	if calls != 9 || bill == 0 {
		t.Fatalf("the provider bills %d calls, %s", calls, bill)
	}
	day := clocksChange.In(zone).Format(time.DateOnly)
	query := url.Values{"from": {day}, "to": {ends.In(zone).Format(time.DateOnly)}}
	eventually(t, "the ledger has all calls", func() bool {
		var usage answeredDay
		testkit.Must(t, json.Unmarshal(asked(t, keyOf("day", "admin"), "/usage", query), &usage))
		return usage.Total.Calls == calls
	})
	said := map[string]string{"the provider's bill": bill.String()}
	said["the API, by day"] = apiSays(t, query, "day")
	said["the API, by hour"] = apiSays(t, query, "hour")
	checkHours(t, zone, query)
	said["the CSV"] = csvSays(t, query)
	for from, key := range map[string]string{"the console": keyOf("day", "admin"), "the ledger": ""} {
		var report struct {
			Total struct{ CostUSD string }
		}
		testkit.Must(t, pluginJSON(t, &report, key, "usage", "--tenant", "day", "--from", day, "--to", day))
		said["kubectl budget usage, by "+from] = report.Total.CostUSD
	}
	status := func() string {
		spent, err := bursar.RunKubectl(t.Context(), "get", "tenantbudgets", "day", "-n", "ask", "-o", `jsonpath={.status.limits[?(@.name=="daily")].spent}`)
		testkit.Must(t, err)
		return spent
	}
	eventually(t, "the status has followed", func() bool { return status() == bill.String() })
	said["the status of the TenantBudget"] = status()
	for who, sum := range said {
		t.Logf("%s: %s USD", who, sum)
		if sum != bill.String() {
			t.Errorf("%s says %s, the provider bills %s", who, sum, bill)
		}
	}
}

// apiSays is the sum of the rows that the API answers with, grouped by something; the total must be the same.
func apiSays(t *testing.T, query url.Values, by string) string {
	t.Helper()
	var usage answeredDay
	testkit.Must(t, json.Unmarshal(asked(t, keyOf("day", "admin"), "/usage", with(query, "by", by)), &usage))
	var sum int64
	for _, row := range usage.Rows {
		sum += row.Cost.Nanos
	}
	if sum != usage.Total.Cost.Nanos || money.Nanos(sum).String() != usage.Total.Cost.USD {
		t.Errorf("by %s: the rows add up to %d, the total is %+v", by, sum, usage.Total.Cost)
	}
	return usage.Total.Cost.USD
}

func with(query url.Values, name, value string) url.Values {
	more := url.Values{name: {value}}
	for name, values := range query {
		more[name] = values
	}
	return more
}

// checkHours expects that the day has 25 hours, and that the two with the same name are separate.
func checkHours(t *testing.T, zone *time.Location, query url.Values) {
	t.Helper()
	var usage answeredDay
	testkit.Must(t, json.Unmarshal(asked(t, keyOf("day", "admin"), "/usage", with(query, "by", "day")), &usage))
	if len(usage.Rows) != 1 || usage.Rows[0].End.Sub(usage.Rows[0].Start) != 25*time.Hour {
		t.Errorf("the day: %+v", usage.Rows)
	}
	usage = answeredDay{}
	testkit.Must(t, json.Unmarshal(asked(t, keyOf("day", "admin"), "/usage", with(query, "by", "hour")), &usage))
	var hours []string
	for _, row := range usage.Rows {
		hours = append(hours, fmt.Sprint(row.Start.In(zone).Format("15 MST")))
	}
	slices.Sort(hours)
	if !slices.Equal(hours, []string{"02 TSUM", "02 TWIN", "23 TWIN"}) {
		t.Errorf("hours with calls: %v", hours)
	}
}

// csvSays is the sum of the cost in the rows of the CSV.
func csvSays(t *testing.T, query url.Values) string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(string(asked(t, keyOf("day", "admin"), "/usage", with(with(query, "by", "hour,model"), "format", "csv"))))).ReadAll()
	testkit.Must(t, err)
	column := slices.Index(rows[0], "cost_usd")
	if column < 0 {
		t.Fatalf("columns %v", rows[0])
	}
	var sum money.Nanos
	for _, row := range rows[1:] {
		cost, err := money.Parse(row[column])
		testkit.Must(t, err)
		sum += cost
	}
	return sum.String()
}
