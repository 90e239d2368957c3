package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/enforcer/config"
)

// actFor calls with the key of a server that may act for others.
func (d *door) actFor(path, body string, fields ...string) reply {
	d.t.Helper()
	request := d.request(http.MethodPost, path, body)
	request.Header.Set("Authorization", "Bearer key-of-server")
	for i := 0; i < len(fields); i += 2 {
		request.Header.Add(fields[i], fields[i+1])
	}
	return d.do(request)
}

// TestActing: a call that is made for another is counted as the other's, the ledger has both,
// and the provider learns of neither.
func TestActing(t *testing.T) {
	var sent http.Header
	d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header.Clone()
		whole(200, answer)(w, r)
	})
	got := d.actFor("/v1/chat/completions", chat, "X-Bursar-User", "shop-7", "X-Bursar-Tier", "gerente")
	if got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	entry, _ := d.ending()
	if entry.Tenant != "acme" || entry.User != "shop-7" || entry.Tier != "gerente" || entry.Actor != "server" || entry.Credential != "acme/server-key" {
		t.Errorf("the ledger has %+v", entry)
	}
	for field, values := range sent {
		if strings.Contains(strings.ToLower(field), "bursar") || strings.Contains(strings.Join(values, " "), "shop-7") {
			t.Errorf("the provider is sent %s: %s", field, values)
		}
	}
}

// TestActingRefused: a request that names somebody whom its credential may not act for is
// refused in the shape of its protocol, and nothing is held for it.
func TestActingRefused(t *testing.T) {
	d := newDoor(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider was asked") })
	for path, shape := range map[string]string{
		"/v1/chat/completions": `"code":"acting_forbidden"`, "/v1/messages": `"type":"permission_error"`,
		"/v1beta/models/mini:generateContent": `"status":"PERMISSION_DENIED"`,
	} {
		for _, fields := range [][]string{
			{"X-Bursar-User", "root"}, {"X-Bursar-User", "shop-1", "X-Bursar-Tier", "corporativo"},
			{"X-Bursar-User", "shop-1", "X-Bursar-User", "shop-2"}, {"X-Bursar-User", "shop-é"},
		} {
			got := d.actFor(path, chat, fields...)
			if got.status != http.StatusForbidden || !strings.Contains(got.body, shape) || !strings.Contains(got.body, "X-Bursar-") {
				t.Errorf("%s with %q: got %d %s", path, fields, got.status, got.body)
			}
		}
	}
	request := d.request(http.MethodGet, "/v1/models", "")
	request.Header.Set("Authorization", "Bearer key-of-server")
	request.Header.Set("X-Bursar-User", "root")
	if got := d.do(request); got.status != http.StatusForbidden {
		t.Errorf("the list of models: got %d %s", got.status, got.body)
	}
	if n := d.store.questions(); n > 0 {
		t.Errorf("the limiter was asked %d times", n)
	}
}

// TestModelsOfAKey: a key that is for some models is refused for others, and is told only of
// these. What its tenant puts in the place of a model that it may ask for is called.
func TestModelsOfAKey(t *testing.T) {
	d := newDoor(t, whole(200, answer))
	virtual := dollarADay
	virtual.VirtualModels = map[string][]string{"auto": {"mini"}}
	d.config.tenant = newTenant(t, virtual)
	embedding := mini
	embedding.Name = "text-3"
	d.config.routes = append(d.config.routes, &config.Route{Provider: d.config.routes[0].Provider, Model: embedding})
	ask := func(method, path, body string) reply {
		request := d.request(method, path, body)
		request.Header.Set("Authorization", "Bearer key-for-some-models")
		return d.do(request)
	}
	got := ask(http.MethodPost, "/v1/chat/completions", chat)
	if got.status != http.StatusForbidden || !strings.Contains(got.body, `"code":"model_forbidden"`) || !strings.Contains(got.body, `"param":"model"`) {
		t.Errorf("of another model: got %d %s", got.status, got.body)
	}
	if got := ask(http.MethodPost, "/v1/chat/completions", strings.Replace(chat, "mini", "auto", 1)); got.status != http.StatusOK {
		t.Errorf("of a virtual model: got %d %s", got.status, got.body)
	}
	got = ask(http.MethodGet, "/v1/models", "")
	if strings.Contains(got.body, `"id":"mini"`) || !strings.Contains(got.body, `"id":"auto"`) || !strings.Contains(got.body, `"id":"text-3"`) {
		t.Errorf("the list of models: %s", got.body)
	}
	if got := ask(http.MethodGet, "/v1/models/mini", ""); got.status != http.StatusNotFound {
		t.Errorf("of one other model: got %d %s", got.status, got.body)
	}
}
