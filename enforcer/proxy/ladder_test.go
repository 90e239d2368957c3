package proxy_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// upstreamBody is what a provider was asked.
type upstreamBody struct {
	Model               string `json:"model"`
	MaxTokens           int64  `json:"max_tokens"`
	MaxCompletionTokens int64  `json:"max_completion_tokens"`
}

// newLadderDoor is a door of the tenant with the document, which remembers what
// the provider is asked, and has a model maxi beside mini.
func newLadderDoor(t *testing.T, document limiterv1.Tenant) (d *door, asked *upstreamBody) {
	t.Helper()
	asked = &upstreamBody{}
	d = newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		if err := json.NewDecoder(r.Body).Decode(asked); err != nil {
			t.Error(err)
		}
		_, _ = fmt.Fprint(w, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	})
	d.config.tenant = newTenant(t, document)
	maxi := mini
	maxi.Name, maxi.UpstreamName, maxi.MaxOutputTokens = "maxi", "maxi-2026", 1000
	d.config.routes = append(d.config.routes, &config.Route{Provider: d.config.routes[0].Provider, Model: maxi})
	return d, asked
}

func newTenant(t testing.TB, document limiterv1.Tenant) *admission.Tenant {
	t.Helper()
	tenant, err := admission.NewTenant(document)
	if err != nil {
		t.Fatal(err)
	}
	return tenant
}

// rungReached makes the store say that the Downgrade rung is reached, as the
// real one does: by asking to bind the call anew.
func rungReached(d *door) {
	d.store.decide = func(r admission.AdmitRequest) *admission.AdmitReply {
		if !r.Downgraded {
			return &admission.AdmitReply{Verdict: admission.RungChanged, Now: admittedAt}
		}
		return nil
	}
}

func TestDowngrade(t *testing.T) {
	document := dollarADay
	document.Ladder = []limiterv1.Rung{
		{AtPercent: 80, Action: limiterv1.Downgrade, Models: map[string]string{"maxi": "mini"}},
	}
	for name, tc := range map[string]struct {
		body       string
		wantModel  string
		wantHeader string
	}{
		"to the model in its place":              {`{"model":"maxi","messages":[],"max_tokens":50}`, "mini-2026", "mini"},
		"not where that cannot do what is asked": {`{"model":"maxi","messages":[],"max_tokens":500}`, "maxi-2026", ""},
		"not of a model without one":             {`{"model":"mini","messages":[],"max_tokens":50}`, "mini-2026", ""},
	} {
		t.Run(name, func(t *testing.T) {
			d, asked := newLadderDoor(t, document)
			rungReached(d)
			for range 2 { // to learn of the rung, and to remember it
				got := d.call(tc.body)
				if got.status != http.StatusOK || asked.Model != tc.wantModel || got.header.Get(call.ModelHeader) != tc.wantHeader {
					t.Errorf("status %d, the provider was asked for %q, the header says %q; want 200, %q, %q",
						got.status, asked.Model, got.header.Get(call.ModelHeader), tc.wantModel, tc.wantHeader)
				}
			}
			if got := d.store.questions(); got != 3 {
				t.Errorf("the store was asked %d times for two calls, want 3: the rung is remembered", got)
			}
		})
	}
}

func TestShadowTellsAndDoesNotRefuse(t *testing.T) {
	document := dollarADay
	document.Enforcement = limiterv1.Shadow
	d, asked := newLadderDoor(t, document)
	d.store.reply = &admission.AdmitReply{
		Now: admittedAt, AdmittedAt: admittedAt, Refusing: 1, Spent: 95 * money.Cent, Debts: left(200_000, 20), Taken: []bool{true, true},
	}
	got := d.call(chat)
	if got.status != http.StatusOK || asked.Model != "mini-2026" {
		t.Errorf("status %d, and the provider was asked for %q; want the call to be made", got.status, asked.Model)
	}
	if code := got.header.Get(call.ShadowHeader); code != "breaker_open" {
		t.Errorf("%s is %q, want breaker_open", call.ShadowHeader, code)
	}
	if entry, _ := d.ending(); entry.Decision != ledgerv1.Shadowed {
		t.Errorf("the ledger says %s, want %s", entry.Decision, ledgerv1.Shadowed)
	}
}

func TestAssumedOutput(t *testing.T) {
	for assumed, want := range map[int64]int64{0: 100, 7: 7, 500: 100} {
		document := dollarADay
		document.AssumedOutputTokens = assumed
		d, asked := newLadderDoor(t, document)
		d.call(chat)
		d.ending()
		entryBound := money.Nanos(int64(len(chat))*1000 + want*10_000)
		if asked.MaxCompletionTokens != want || d.store.admits[0].Bound != entryBound {
			t.Errorf("assuming %d: the provider was asked for %d tokens and %s held, want %d and %s",
				assumed, asked.MaxCompletionTokens, d.store.admits[0].Bound, want, entryBound)
		}
	}
}

// TestSaved: of a call that another model answered in the place of the one asked for, the ledger
// says what the same tokens would have cost more there; of others, nothing.
func TestSaved(t *testing.T) {
	const asked = `{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"max_tokens":5}`
	downgrading := withFallbacks(fromCheapest)
	downgrading.Ladder = append([]limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Downgrade, Models: map[string]string{"gpt-4o": "gpt-4o-mini"}}}, downgrading.Ladder...)
	for name, tc := range map[string]struct {
		set  func(*fallbackDoor)
		want ledgerv1.Decision
	}{
		"as asked":       {func(*fallbackDoor) {}, ledgerv1.Admitted},
		"downgraded":     {func(d *fallbackDoor) { rungReached(d.door) }, ledgerv1.Replaced},
		"cheapest model": {func(d *fallbackDoor) { d.spent = 95 * money.Cent }, ledgerv1.Fallback},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFallbackDoor(t, downgrading)
			prices := d.config.routes[1].Model.Prices
			tc.set(d)
			if got := d.call(asked); got.status != http.StatusOK {
				t.Fatalf("status %d: %s", got.status, got.body)
			}
			entry, _ := d.ending()
			would, err := prices.Cost(entry.Usage)
			testkit.Must(t, err)
			if entry.Decision != tc.want || entry.Usage.Total() == 0 || entry.Cost+entry.Saved != would || (entry.Saved > 0) != (tc.want != ledgerv1.Admitted) {
				t.Errorf("%s, for %+v: cost %s, saved %s; with gpt-4o it would have cost %s", entry.Decision, entry.Usage, entry.Cost, entry.Saved, would)
			}
		})
	}
}
