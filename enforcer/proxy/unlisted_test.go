package proxy_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
	"github.com/bursar-dev/bursar/hack/testkit"
)

const unlistedChat = `{"model":"gpt-9","messages":[],"max_tokens":50}`

// newUnlistedDoor is a door of a tenant whose calls for models that none lists are
// taken, by a provider whose dearest input is maxi's and dearest output mini's.
func newUnlistedDoor(t *testing.T, change func(*limiterv1.Tenant)) (*door, *upstreamBody) {
	t.Helper()
	document := dollarADay
	document.UnknownModel = limiterv1.PriceAsMostExpensive
	change(&document)
	d, asked := newLadderDoor(t, document)
	maxi := *d.config.routes[1]
	maxi.Model.Prices = flat(price.List{price.Input: 4 * money.USD, price.CachedInput: money.USD, price.Output: 5 * money.USD})
	d.config.routes[1] = &maxi
	taker := d.config.routes[0].Provider
	taker.Models = []limiterv1.Model{d.config.routes[0].Model, maxi.Model}
	taker.UnlistedModels = &limiterv1.UnlistedModels{MaxOutputTokens: 60}
	d.config.taker = &taker
	return d, asked
}

// TestUnlistedModel: it is held and settled at the dearest prices, and asked for by the
// name that the caller gave.
func TestUnlistedModel(t *testing.T) {
	d, asked := newUnlistedDoor(t, asIs)
	got := d.call(unlistedChat)
	entry, end := d.ending()
	if got.status != http.StatusOK || asked.Model != "gpt-9" {
		t.Errorf("status %d %s, and the provider was asked for %q; want gpt-9 to be called", got.status, got.body, asked.Model)
	}
	if as, other := got.header.Get(call.PricedAsHeader), got.header.Get(call.ModelHeader); as != "MostExpensive" || other != "" {
		t.Errorf("the header says that it is priced as %q, and another model, %q", as, other)
	}
	wantHeld := money.Nanos(len(unlistedChat)*4_000 + 50*10_000)
	const wantCost = 4_000 + 10_000
	if d.store.admits[0].Bound != wantHeld || end.Cost != wantCost {
		t.Errorf("held %s and settled with %s, want %s and %s", d.store.admits[0].Bound, end.Cost, wantHeld, money.Nanos(wantCost))
	}
	if entry.PricedAs != ledgerv1.MostExpensive || entry.Decision != ledgerv1.Admitted || entry.Held != wantHeld || entry.Cost != wantCost ||
		entry.Model != "gpt-9" || entry.ModelAsked != "gpt-9" || entry.ModelUsed != "gpt-9" || entry.Provider != "fake" {
		t.Errorf("the ledger has %+v", entry)
	}
	if kept, err := ledgerv1.Decode(d.store.admits[0].Record); err != nil || kept.PricedAs != ledgerv1.MostExpensive {
		t.Errorf("who adopts the call would find %+v, %v", kept, err)
	}
}

// TestUnlistedModelWithoutTheStore: it is told so, too, of a call from a share.
func TestUnlistedModelWithoutTheStore(t *testing.T) {
	d, _ := newUnlistedDoor(t, func(tenant *limiterv1.Tenant) { tenant.StoreLossPercent = 50 })
	ctx, stop := context.WithCancel(t.Context())
	var background sync.WaitGroup
	background.Go(func() { d.calls.Admitter.(*admission.Admitter).Run(ctx) })
	t.Cleanup(func() { stop(); background.Wait() })
	d.call(unlistedChat)
	testkit.Eventually(t, "the second admission, which is that of the share, is asked for", func() bool { return d.store.questions() >= 2 })
	d.store.fail(errors.New("the store is lost"))
	var got reply
	testkit.Eventually(t, "the call is answered from the share", func() bool { // which has only just been taken
		got = d.call(unlistedChat)
		return got.status != http.StatusServiceUnavailable
	})
	if lost, as := got.header.Get(call.StoreLostHeader), got.header.Get(call.PricedAsHeader); lost != "AllowBounded" || as != "MostExpensive" {
		t.Errorf("status %d, store lost: %q, priced as %q", got.status, lost, as)
	}
}

func TestListedModelIsPricedAsItself(t *testing.T) {
	d, _ := newUnlistedDoor(t, asIs)
	got := d.call(chat)
	if entry, _ := d.ending(); entry.PricedAs != "" || got.header.Get(call.PricedAsHeader) != "" {
		t.Errorf("the ledger says %q, the header %q", entry.PricedAs, got.header.Get(call.PricedAsHeader))
	}
}

func TestUnlistedModelIsRefused(t *testing.T) {
	const gemini = "/v1beta/models/"
	naming := func(model string) string { return strings.Replace(unlistedChat, "gpt-9", model, 1) }
	for name, tc := range map[string]struct {
		change     func(*limiterv1.Tenant)
		taker      func(*limiterv1.Provider)
		path, body string
		status     int
		says       string
	}{
		"where the tenant denies": {
			change: func(tenant *limiterv1.Tenant) { tenant.UnknownModel = "" },
			status: 404, says: "set unknownModel: PriceAsMostExpensive in the TenantBudget",
		},
		"by a rule of the future": {
			change: func(tenant *limiterv1.Tenant) { tenant.UnknownModel = "PriceAsAverage" },
			status: 404, says: "unknownModel: PriceAsMostExpensive",
		},
		"where no provider takes it": {
			taker:  func(p *limiterv1.Provider) { p.Protocol = limiterv1.Gemini },
			status: 404, says: "No ModelProvider of protocol OpenAI accepts models that it does not list: set its spec.unlistedModels",
		},
		"by a name that no model has": {
			body: naming(`gpt 9`), status: 404, says: "is not a valid model name",
		},
		"by a name that leads elsewhere": {
			taker: func(p *limiterv1.Provider) { p.Protocol = limiterv1.Gemini },
			path:  gemini + "a%2F..%2F..%2Ffiles:generateContent", body: `{"contents":[]}`,
			status: 404, says: "is not a valid model name",
		},
		"by a name that asks for something else": {
			taker: func(p *limiterv1.Provider) { p.Protocol = limiterv1.Gemini },
			path:  gemini + "gemini-9:batchEmbedContents:generateContent", body: `{"contents":[]}`,
			status: 404, says: "is not a valid model name",
		},
		"as the name of a virtual model": {
			change: func(tenant *limiterv1.Tenant) { tenant.VirtualModels = map[string][]string{"gpt-9": {"gpt-9"}} },
			status: 404, says: "There is no model",
		},
		"in a virtual model": {
			change: func(tenant *limiterv1.Tenant) { tenant.VirtualModels = map[string][]string{"auto": {"gpt-9"}} },
			body:   naming("auto"), status: 404, says: `There is no model \"gpt-9\"`,
		},
		"of more output than any has": {
			body: strings.Replace(unlistedChat, "50", "61", 1), status: 400, says: "exceeds the maximum of 60 output tokens of gpt-9",
		},
		"with a file": {
			body:   `{"model":"gpt-9","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"f"}}]}]}`,
			status: 400, says: "model gpt-9 has no contextWindow",
		},
		"in a service tier without prices": {
			body: `{"model":"gpt-9","messages":[],"service_tier":"priority"}`, status: 400, says: "cannot be priced for model gpt-9",
		},
	} {
		t.Run(name, func(t *testing.T) {
			change := tc.change
			if change == nil {
				change = asIs
			}
			d, asked := newUnlistedDoor(t, change)
			if tc.taker != nil {
				tc.taker(d.config.taker)
			}
			got := d.do(d.request(http.MethodPost, cmp.Or(tc.path, "/v1/chat/completions"), cmp.Or(tc.body, unlistedChat)))
			if got.status != tc.status || !strings.Contains(got.body, tc.says) || d.store.questions() > 0 || asked.Model != "" {
				t.Errorf("got %d %s after %d questions, and the provider was asked for %q; want %d and %q",
					got.status, got.body, d.store.questions(), asked.Model, tc.status, tc.says)
			}
		})
	}
}

// TestListedElsewhere: a model that a provider of another protocol lists is no unlisted one.
func TestListedElsewhere(t *testing.T) {
	d, _ := newUnlistedDoor(t, asIs)
	elsewhere := *d.config.routes[0]
	elsewhere.Provider.Protocol = limiterv1.Anthropic
	d.config.routes[0] = &elsewhere
	if got := d.call(chat); got.status != http.StatusNotFound {
		t.Errorf("got %d %s, want 404", got.status, got.body)
	}
}

// TestUnlistedModelOnTheLadder: a rung may take calls from an unlisted model, and sends
// none to one; a fallback may answer in its place.
func TestUnlistedModelOnTheLadder(t *testing.T) {
	rung := func(from, to string) func(*limiterv1.Tenant) {
		return func(tenant *limiterv1.Tenant) {
			tenant.Ladder = []limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Downgrade, Models: map[string]string{from: to}}}
		}
	}
	for name, tc := range map[string]struct {
		change          func(*limiterv1.Tenant)
		body, wantModel string
		wantAs          ledgerv1.Pricing
	}{
		"from one":             {rung("gpt-9", "mini"), unlistedChat, "mini-2026", ""},
		"to one":               {rung("mini", "gpt-9"), chat, "mini-2026", ""},
		"to another, from one": {rung("gpt-9", "gpt-10"), unlistedChat, "gpt-9", ledgerv1.MostExpensive},
	} {
		t.Run(name, func(t *testing.T) {
			d, asked := newUnlistedDoor(t, tc.change)
			rungReached(d)
			got := d.call(tc.body)
			if entry, _ := d.ending(); got.status != http.StatusOK || asked.Model != tc.wantModel || entry.PricedAs != tc.wantAs {
				t.Errorf("status %d %s, the provider was asked for %q, priced as %s; want %q, %s",
					got.status, got.body, asked.Model, entry.PricedAs, tc.wantModel, tc.wantAs)
			}
		})
	}
	t.Run("CheapestModel", func(t *testing.T) {
		d, asked := newUnlistedDoor(t, func(tenant *limiterv1.Tenant) {
			tenant.Ladder = []limiterv1.Rung{{AtPercent: 90, Action: limiterv1.Trip, Fallbacks: []limiterv1.Fallback{{Kind: limiterv1.CheapestModel}}}}
		})
		leaves(d, money.Nanos(len(unlistedChat)*4_000+50*10_000)-1)
		got := d.call(unlistedChat)
		if entry, _ := d.ending(); got.status != http.StatusOK || asked.Model == "gpt-9" || entry.Decision != ledgerv1.Fallback || entry.PricedAs != "" {
			t.Errorf("status %d %s, the provider was asked for %q, decision %s, priced as %s", got.status, got.body, asked.Model, entry.Decision, entry.PricedAs)
		}
	})
}

// TestUnlistedModelOfEveryProtocol: where the model is named in the path, too, the provider is
// asked for it by its name, and the cost is that of the dearest: here twice the bill.
func TestUnlistedModelOfEveryProtocol(t *testing.T) {
	fake := fakeprovider.New(fakeprovider.Options{})
	document := dollarADay
	document.UnknownModel = limiterv1.PriceAsMostExpensive
	for _, p := range protocols {
		d := newProtocolsDoor(t, fake.ServeHTTP)
		d.config.tenant = newTenant(t, document)
		route := routeOf(t, d, p)
		twice := price.List{}
		for kind, once := range route.Model.Prices[price.Default].Base {
			twice[kind] = 2 * once
		}
		d.config.taker = &route.Provider
		dear := route.Model.Prices[price.Default]
		dear.Base = twice
		d.config.taker.Models = []limiterv1.Model{{Name: "dear", Prices: price.Book{price.Default: dear}}}
		d.config.taker.UnlistedModels = &limiterv1.UnlistedModels{MaxOutputTokens: 200, ContextWindow: 4000}
		d.config.routes = nil
		for _, stream := range []bool{false, true} {
			if stream && p.neverStreams {
				continue
			}
			t.Run(fmt.Sprintf("%s stream=%t", p.name, stream), func(t *testing.T) {
				got := d.do(d.ask(t.Context(), p, "one two three [[output=5 cached=2]]", 20, stream))
				if got.status != http.StatusOK || got.err != nil {
					t.Fatalf("%d %s %v", got.status, got.body, got.err)
				}
				entry, billed := d.entry(got.header.Get(call.CallIDHeader)), billOf(t, fake, got)
				want := 2 * money.Nanos(billed.CostNanos)
				if entry.PricedAs != ledgerv1.MostExpensive || entry.Cost > want || entry.Cost < want-1 || entry.Held < entry.Cost || billed.Model != route.Model.Name {
					t.Errorf("ledger %+v\nbill %+v\nwant twice the bill, of %s", entry, billed, route.Model.Name)
				}
			})
		}
	}
}

// routeOf is the route to the model that the bodies, or the paths, of a protocol name.
func routeOf(t *testing.T, d *door, p api) *config.Route {
	t.Helper()
	body, err := json.Marshal(p.body("", 1, false))
	if err != nil {
		t.Fatal(err)
	}
	for _, route := range d.config.routes {
		name := route.Model.Name
		if strings.Contains(string(body), `"model":"`+name+`"`) || strings.Contains(p.path, "/"+name+"/") || strings.Contains(p.path, "/"+name+":") ||
			p.header["ai-language-model-id"] == name || p.header["ai-model-id"] == name {
			return route
		}
	}
	t.Fatalf("%s asks for no model", p.name)
	return nil
}
