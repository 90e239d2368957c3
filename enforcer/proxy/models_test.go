package proxy_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/config"
)

func TestModels(t *testing.T) {
	d := newDoor(t, nil)
	got := d.do(d.request("GET", "/v1/models", ""))
	want := `{"object":"list","data":[{"id":"mini","object":"model","created":0,"owned_by":"fake"}]}` + "\n"
	if got.status != 200 || got.body != want || got.header.Get("Content-Type") != "application/json" {
		t.Errorf("got %d %s, want %s", got.status, got.body, want)
	}
	virtual := dollarADay
	virtual.VirtualModels = map[string][]string{"thrifty": {"mini"}, "auto": {"maxi", "mini"}, "mini": {"maxi", "mini"}}
	d.config.tenant = newTenant(t, virtual)
	want = `{"object":"list","data":[{"id":"auto","object":"model","created":0,"owned_by":"acme"},` +
		`{"id":"mini","object":"model","created":0,"owned_by":"acme"},{"id":"thrifty","object":"model","created":0,"owned_by":"acme"}]}` + "\n"
	if got := d.do(d.request("GET", "/v1/models", "")); got.body != want {
		t.Errorf("with virtual models got %s, want %s", got.body, want)
	}
	d.config.tenant = newTenant(t, dollarADay)
	d.config.routes = nil
	if got := d.do(d.request("GET", "/v1/models", "")); !json.Valid([]byte(got.body)) || !strings.Contains(got.body, `"data":[]`) {
		t.Errorf("without models: %s", got.body)
	}
	request := d.request("GET", "/v1/models", "")
	request.Header.Del("Authorization")
	if got := d.do(request); got.status != 401 {
		t.Errorf("without a key: %d", got.status)
	}
}

// TestModelOfAnotherProtocol: a model that its provider serves in another way is
// not to be had here.
func TestModelOfAnotherProtocol(t *testing.T) {
	d := newDoor(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider was asked") })
	d.config.routes = append([]*config.Route{}, &config.Route{
		Provider: limiterv1.Provider{Name: "other", Protocol: "Other"}, Model: mini,
	})
	if got := d.call(chat); got.status != 404 || !strings.Contains(got.body, "model_not_found") {
		t.Errorf("got %d %s", got.status, got.body)
	}
}
