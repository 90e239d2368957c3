package ledgerv1_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
)

// settled is a call of which every field is known.
func settled() ledgerv1.Entry {
	wait := 70 * time.Millisecond
	return ledgerv1.Entry{
		OpenCall: limiterv1.OpenCall{
			CallID: "call-1", Tenant: "acme", User: "ana", Tier: "gold", Model: "gpt-4o", Root: "group", Ancestors: []string{"group"}, Tokens: 9,
			Credential: "acme/key", Groups: []string{"eu, west", "research"}, Labels: map[string]string{"cost-centre": "4711"},
			Counters: []limiterv1.CallCounters{{Tenant: "acme", Money: []string{"money:Day"}}, {Tenant: "acme", Owner: limiterv1.Owner{User: "ana"}, InFlight: []string{"rate:a/b@0"}}},
		},
		Provider: "openai", ModelAsked: "gpt-4o", ModelUsed: "gpt-4o-2026", Endpoint: "/v1/chat/completions",
		Streamed: true, Session: "session-1", Held: 6 * money.Cent, PricedAs: ledgerv1.MostExpensive,
		OutputLoweredBy: ledgerv1.LoweredByFit, MaxOutputTokens: 512,
		AdmittedAt: time.Date(2030, time.January, 2, 3, 4, 5, 6e6, time.UTC), SettledAt: time.Date(2030, time.January, 2, 3, 4, 6, 0, time.UTC),
		Outcome: ledgerv1.Settled, Decision: ledgerv1.Replaced, Usage: price.Usage{Input: 1, Output: 2}, Cost: 7 * money.Cent,
		Duration: time.Second, TimeToFirstToken: &wait,
	}
}

func TestEntryIsReadAsItWasWritten(t *testing.T) {
	open := ledgerv1.Entry{OpenCall: settled().OpenCall, Held: money.Cent}
	for _, want := range []ledgerv1.Entry{settled(), open, {}} {
		got, err := ledgerv1.Decode(want.Encode())
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("error %v, want none; (-want +got):\n%s", err, diff)
		}
	}
	if got := string(open.Encode()); strings.Contains(got, "admittedAt") || strings.Contains(got, "usage") {
		t.Errorf("an open call says how it ended: %s", got)
	}
	if _, err := ledgerv1.Decode([]byte("record")); err == nil {
		t.Error("what is no JSON is read")
	}
}

// TestEntryOfTheVersionBefore: sessions of the version before have written what an open
// call is counted in behind everything else, and a share or a probe without most fields.
func TestEntryOfTheVersionBefore(t *testing.T) {
	for name, tc := range map[string]struct {
		written string
		want    ledgerv1.Entry
	}{
		"a call": {
			`{"callID":"c","tenant":"acme","user":"ana","root":"acme","tokens":3,"provider":"openai","modelAsked":"m","modelUsed":"m",` +
				`"endpoint":"/v1/x","session":"s","held":5,"counters":[{"tenant":"acme","money":["money:Day"]}]}`,
			ledgerv1.Entry{
				OpenCall: limiterv1.OpenCall{CallID: "c", Tenant: "acme", User: "ana", Root: "acme", Tokens: 3,
					Counters: []limiterv1.CallCounters{{Tenant: "acme", Money: []string{"money:Day"}}}},
				Provider: "openai", ModelAsked: "m", ModelUsed: "m", Endpoint: "/v1/x", Session: "s", Held: 5,
			},
		},
		"a share": {
			`{"callID":"c","tenant":"acme","user":"ana","share":true,"endpoint":"share","held":5,"counters":[]}`,
			ledgerv1.Entry{OpenCall: limiterv1.OpenCall{CallID: "c", Tenant: "acme", User: "ana", Share: true,
				Counters: []limiterv1.CallCounters{}}, Endpoint: "share", Held: 5},
		},
		"a probe": {
			`{"callID":"c","tenant":"acme","user":"c","probe":true,"counters":[]}`,
			ledgerv1.Entry{OpenCall: limiterv1.OpenCall{CallID: "c", Tenant: "acme", User: "c", Probe: true,
				Counters: []limiterv1.CallCounters{}}},
		},
	} {
		got, err := ledgerv1.Decode([]byte(tc.written))
		if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("%s: error %v, want none; (-want +got):\n%s", name, err, diff)
		}
	}
}

// TestOpenCallIsReadFromAnEntry: who counts open calls reads that part alone.
func TestOpenCallIsReadFromAnEntry(t *testing.T) {
	got, err := limiterv1.CallRecord{Body: settled().Encode()}.OpenCall()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(settled().OpenCall, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := (limiterv1.CallRecord{}).OpenCall(); !errors.Is(err, limiterv1.ErrCallRecord) {
		t.Errorf("of a call that was voided: %v, want %v", err, limiterv1.ErrCallRecord)
	}
}

func TestOverrun(t *testing.T) {
	for _, tc := range []struct{ held, cost, want money.Nanos }{{5, 3, 0}, {5, 5, 0}, {5, 7, 2}} {
		if got := (ledgerv1.Entry{Held: tc.held, Cost: tc.cost}).Overrun(); got != tc.want {
			t.Errorf("%d of %d held: %d, want %d", tc.cost, tc.held, got, tc.want)
		}
	}
}

func TestByMoney(t *testing.T) {
	want := []ledgerv1.Reason{ledgerv1.BreakerForced, ledgerv1.BreakerOpen, ledgerv1.BudgetExhausted}
	got := slices.DeleteFunc(ledgerv1.Reasons(), func(r ledgerv1.Reason) bool { return !r.ByMoney() })
	if !slices.Equal(got, want) {
		t.Errorf("by money are %v, want %v", got, want)
	}
}

// TestColumns: each column has a value of its type for each row, in the order of the rows.
func TestColumns(t *testing.T) {
	checkColumns(t, ledgerv1.Calls(), []ledgerv1.Entry{settled(), {}})
	spent, at, wait := money.Cent, time.Now(), time.Second
	checkColumns(t, ledgerv1.Refusals(), []ledgerv1.Refusal{
		{Reason: ledgerv1.BreakerOpen, Fallback: limiterv1.Cache, Spent: &spent, ResetsAt: &at},
		{Reason: ledgerv1.RateLimited, RetryAfter: &wait},
	})
}

func checkColumns[T any](t *testing.T, table ledgerv1.Table[T], rows []T) {
	t.Helper()
	seen := map[string]bool{}
	for _, column := range table.Columns {
		values := reflect.ValueOf(column.Values(rows))
		want := map[string][]reflect.Kind{
			"text": {reflect.String}, "jsonb": {reflect.Uint8}, "bigint": {reflect.Int64}, "boolean": {reflect.Bool}, "timestamptz": {reflect.Struct},
		}[column.Type]
		kind := values.Type().Elem()
		for kind.Kind() == reflect.Pointer || (column.Array || column.Type == "jsonb") && kind.Kind() == reflect.Slice {
			kind = kind.Elem()
		}
		if values.Len() != len(rows) || !slices.Contains(want, kind.Kind()) || seen[column.Name] {
			t.Errorf("column %s of %s: %s, again: %t", column.Name, table.Name, values.Type(), seen[column.Name])
		}
		seen[column.Name] = true
	}
}

// TestTokenColumns: the columns add up to what price.Usage.Total counts, in which each
// kind of token is counted once.
func TestTokenColumns(t *testing.T) {
	usage := price.Usage{
		Input: 1, CachedInput: 2, CacheWrite5m: 4, CacheWrite1h: 8, AudioInput: 16, CachedAudioInput: 32, Output: 64,
		AudioOutput: 128, ImageOutput: 256, Reasoning: 64,
	}
	var sum int64
	for _, column := range ledgerv1.Calls().Columns {
		if slices.Contains(ledgerv1.TokenColumns(), column.Name) {
			sum += column.Values([]ledgerv1.Entry{{Usage: usage}}).([]int64)[0]
		}
	}
	if sum != usage.Total() || len(ledgerv1.TokenColumns()) != len(price.Kinds()) {
		t.Errorf("the columns %v add up to %d, want %d", ledgerv1.TokenColumns(), sum, usage.Total())
	}
}
