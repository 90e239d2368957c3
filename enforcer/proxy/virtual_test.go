package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// leaves makes the store refuse what costs more than is left of the first limit.
func leaves(d *door, rest money.Nanos) {
	d.store.decide = func(r admission.AdmitRequest) *admission.AdmitReply {
		if r.Bound <= rest {
			return nil
		}
		return &admission.AdmitReply{Verdict: admission.Refused, Refusing: 1, Now: admittedAt, Held: money.USD - rest, Debts: left(200_000, 20)}
	}
}

// newVirtualDoor is a door of a tenant with the virtual model auto: maxi, which is
// twice as dear as mini and gives more, then one that nobody has, then mini.
func newVirtualDoor(t *testing.T, change func(*limiterv1.Tenant)) (*door, *upstreamBody) {
	t.Helper()
	document := dollarADay
	document.VirtualModels = map[string][]string{"auto": {"maxi", "gone", "mini"}, "mini": {"maxi", "mini"}}
	change(&document)
	d, asked := newLadderDoor(t, document)
	maxi := *d.config.routes[1]
	maxi.Model.Prices = flat(price.List{price.Input: 2 * money.USD, price.CachedInput: money.USD, price.Output: 20 * money.USD})
	d.config.routes[1] = &maxi
	return d, asked
}

func asIs(*limiterv1.Tenant) {}

func TestVirtualModel(t *testing.T) {
	const auto = `{"model":"auto","messages":[],"max_tokens":50}`
	const long = `{"model":"auto","messages":[],"max_tokens":500}`
	bound := func(body string, input, output money.Nanos) money.Nanos { return money.Nanos(len(body))*input + output }
	maxi, mini := bound(auto, 2_000, 50*20_000), bound(auto, 1_000, 50*10_000)
	for name, tc := range map[string]struct {
		body      string
		left      money.Nanos
		change    func(*limiterv1.Tenant)
		wantModel string // empty when the call is refused
		questions int
	}{
		"the first, where it fits":                 {auto, maxi, asIs, "maxi", 1},
		"the next, where the first does not":       {auto, maxi - 1, asIs, "mini", 2},
		"the next, where it fits just so":          {auto, mini, asIs, "mini", 2},
		"none, where none fits":                    {auto, mini - 1, asIs, "", 2},
		"not one that cannot do what is asked":     {long, mini, asIs, "", 1},
		"in the place of a model of the same name": {`{"model":"mini","messages":[],"max_tokens":50}`, maxi, asIs, "maxi", 1},
		"then a fallback": {auto, mini - 1, func(tenant *limiterv1.Tenant) {
			tenant.Ladder = []limiterv1.Rung{{AtPercent: 90, Action: limiterv1.Trip, Fallbacks: []limiterv1.Fallback{{Kind: limiterv1.Message, Text: "later"}}}}
		}, "later", 2},
	} {
		t.Run(name, func(t *testing.T) {
			d, asked := newVirtualDoor(t, tc.change)
			leaves(d, tc.left)
			got := d.call(tc.body)
			switch tc.wantModel {
			case "":
				if got.status != http.StatusTooManyRequests || asked.Model != "" {
					t.Errorf("status %d %s, and the provider was asked for %q; want a refusal", got.status, got.body, asked.Model)
				}
			case "later":
				if got.header.Get(call.FallbackHeader) != "Message" || asked.Model != "" {
					t.Errorf("status %d %s, and the provider was asked for %q; want the message", got.status, got.body, asked.Model)
				}
			default:
				entry, _ := d.ending()
				if got.status != http.StatusOK || asked.Model != tc.wantModel+"-2026" || got.header.Get(call.ModelHeader) != tc.wantModel ||
					entry.Model != tc.wantModel || entry.Decision != ledgerv1.Chosen || !slices.Contains([]string{"auto", "mini"}, entry.ModelAsked) {
					t.Errorf("status %d, the provider was asked for %q, the header says %q, the ledger %q for %q; want 200 and %s",
						got.status, asked.Model, got.header.Get(call.ModelHeader), entry.Model, entry.ModelAsked, tc.wantModel)
				}
			}
			if got := d.store.questions(); got != tc.questions {
				t.Errorf("the store was asked %d times, want %d", got, tc.questions)
			}
		})
	}
}

// TestVirtualModelOnTheLadder: the rung puts a cheaper model in the
// place of the one that was chosen, and the list goes on after that.
func TestVirtualModelOnTheLadder(t *testing.T) {
	d, asked := newVirtualDoor(t, func(tenant *limiterv1.Tenant) {
		tenant.Ladder = []limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Downgrade, Models: map[string]string{"maxi": "mini"}}}
	})
	rungReached(d)
	got := d.call(`{"model":"auto","messages":[],"max_tokens":50}`)
	if got.status != http.StatusOK || asked.Model != "mini-2026" {
		t.Errorf("status %d %s, and the provider was asked for %q; want mini-2026", got.status, got.body, asked.Model)
	}
	if got := d.store.questions(); got != 2 {
		t.Errorf("the store was asked %d times, want 2", got)
	}
}

// TestPricesInForce: a call is bound and settled with the prices that are in force
// by the store's clock.
func TestPricesInForce(t *testing.T) {
	for name, tc := range map[string]struct {
		from time.Time
		want money.Nanos
	}{
		"before the change": {admittedAt.Add(time.Hour), 1_000 + 10_000},
		"after it":          {admittedAt.Add(-time.Hour), 3_000 + 30_000},
	} {
		t.Run(name, func(t *testing.T) {
			d, _ := newLadderDoor(t, dollarADay)
			d.call(chat) // now the store's clock is known
			d.ending()
			changing := *d.config.routes[0]
			changing.Model.PriceChanges = []limiterv1.PriceChange{{
				EffectiveFrom: tc.from,
				Prices:        flat(price.List{price.Input: 3 * money.USD, price.CachedInput: money.USD, price.Output: 30 * money.USD}),
			}}
			d.config.routes[0] = &changing
			d.call(chat)
			testkit.Eventually(t, "the call is settled", func() bool { return len(d.ledger.all()) == 2 })
			if entry := d.ledger.all()[1]; entry.Cost != tc.want || entry.Held <= tc.want {
				t.Errorf("cost %s, held %s; want %s", entry.Cost, entry.Held, tc.want)
			}
		})
	}
}

// TestPricesOfAdmission: a call that is under way when its prices change costs what
// they were when it was admitted.
func TestPricesOfAdmission(t *testing.T) {
	var d *door
	d = newDoor(t, func(w http.ResponseWriter, _ *http.Request) {
		dearer := *d.config.routes[0]
		dearer.Model.Prices = flat(price.List{price.Input: 3 * money.USD, price.CachedInput: money.USD, price.Output: 30 * money.USD})
		d.config.routes[0] = &dearer
		_, _ = fmt.Fprint(w, `{"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
	})
	for i, want := range []money.Nanos{1_000 + 10_000, 3_000 + 30_000} {
		d.call(chat)
		testkit.Eventually(t, "the call is settled", func() bool { return len(d.ledger.all()) == i+1 })
		if entry := d.ledger.all()[i]; entry.Cost != want || entry.Held <= want {
			t.Errorf("call %d: cost %s, held %s; want %s", i+1, entry.Cost, entry.Held, want)
		}
	}
}
