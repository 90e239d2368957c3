package proxy_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

// vercelCall is a call of a model through the door.
func (d *door) vercelCall(model string) *http.Request {
	d.t.Helper()
	return d.ask(d.t.Context(), vercelAPI("/v3/ai", "3", model), "one two three [[output=5]]", 20, false)
}

// TestHeaderNamesTheModel: the provider is asked for the model by its own name, and is not
// told which of the client's accounts, teams and deployments asks.
func TestHeaderNamesTheModel(t *testing.T) {
	fake := fakeprovider.New(fakeprovider.Options{})
	var sent http.Header
	d := newProtocolsDoor(t, func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Clone()
		fake.ServeHTTP(w, r)
	})
	request := d.vercelCall("gpt-4o")
	for name, value := range map[string]string{
		"ai-gateway-protocol-version": "0.0.1", "ai-gateway-auth-method": "oidc", "x-vercel-ai-gateway-team": "team_1", "ai-o11y-project-id": "p",
	} {
		request.Header.Set(name, value)
	}
	if got := d.do(request); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	for name, want := range map[string][]string{
		"Ai-Language-Model-Id": {"maker/gpt-4o"}, "Ai-Language-Model-Streaming": {"false"}, "Ai-Language-Model-Specification-Version": {"3"},
		"Ai-Gateway-Protocol-Version": {"0.0.1"}, "Ai-Gateway-Auth-Method": nil, "X-Vercel-Ai-Gateway-Team": nil, "Ai-O11y-Project-Id": nil,
	} {
		if got := sent.Values(name); !slices.Equal(got, want) {
			t.Errorf("%s: the provider is sent %q, want %q", name, got, want)
		}
	}
}

// TestHeaderMakesAnotherRequest: a request for another model is not the same, though it has
// the same body, and is not given the answer of the first.
func TestHeaderMakesAnotherRequest(t *testing.T) {
	fake := fakeprovider.New(fakeprovider.Options{})
	d := newProtocolsDoor(t, fake.ServeHTTP, func(o *doorOptions) {
		o.Claims, o.Replays = &lostClaims{attempts: map[string]int{}}, answercache.New(1<<20)
	})
	send := func(model string) reply {
		request := d.vercelCall(model)
		request.Header.Set(call.IdempotencyKeyHeader, "key")
		return d.do(request)
	}
	if got := send("gpt-4o"); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := send("gpt-4o"); got.header.Get(call.ReplayedHeader) != "true" {
		t.Errorf("the same again is not given its answer again: %d %s", got.status, got.body)
	}
	if got := send("gpt-5"); got.status != http.StatusUnprocessableEntity && got.status != http.StatusConflict || got.header.Get(call.ReplayedHeader) == "true" {
		t.Errorf("another model: %d %s", got.status, got.body)
	}
}
