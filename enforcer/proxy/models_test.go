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

// TestNearestModel: a caller that asks for a model that does not exist is asked whether it meant one of
// those that it may call here, and no other.
func TestNearestModel(t *testing.T) {
	d := newDoor(t, func(http.ResponseWriter, *http.Request) { t.Error("the provider was asked") })
	virtual := dollarADay
	virtual.VirtualModels = map[string][]string{"auto": {"mini"}, "broken": {"gpt-none"}}
	d.config.tenant = newTenant(t, virtual)
	for name, spoken := range map[string]limiterv1.Protocol{"text-3": limiterv1.OpenAI, "claude-opus": limiterv1.Anthropic} {
		model := mini
		model.Name = name
		d.config.routes = append(d.config.routes, &config.Route{Provider: limiterv1.Provider{Name: name, Protocol: spoken}, Model: model})
	}
	list := "GET /v1/models lists the available models."
	forSome := "GET /v1/models lists the models that it may be used for."
	for asked, tc := range map[string]struct{ key, want string }{
		"minni":                    {want: `There is no model \"minni\"; did you mean \"mini\"? ` + list},
		"Auto":                     {want: `There is no model \"Auto\"; did you mean \"auto\"? ` + list},
		"text-2":                   {want: `There is no model \"text-2\"; did you mean \"text-3\"? ` + list},
		"claude-opuss":             {want: `There is no model \"claude-opuss\"; ` + list},
		"claude-opus":              {want: `There is no model \"claude-opus\"; ` + list},
		"broken":                   {want: `There is no model \"gpt-none\"; ` + list},
		"mi ni":                    {want: `There is no model \"mi ni\"; ` + list},
		strings.Repeat("mini", 99): {want: `mini\"; ` + list},
		"autoo":                    {key: "key-for-some-models", want: `may not be used for model \"autoo\"; did you mean \"auto\"? ` + forSome},
		"minii":                    {key: "key-for-some-models", want: `may not be used for model \"minii\"; ` + forSome},
	} {
		request := d.request(http.MethodPost, "/v1/chat/completions", strings.Replace(chat, "mini", asked, 1))
		if tc.key != "" {
			request.Header.Set("Authorization", "Bearer "+tc.key)
		}
		if got := d.do(request); !strings.Contains(got.body, tc.want) {
			t.Errorf("%s: got %d %s, want %s", asked, got.status, got.body, tc.want)
		}
	}
	if got := d.do(d.request(http.MethodGet, "/v1/models/minni", "")); !strings.Contains(got.body, `did you mean \"mini\"?`) {
		t.Errorf("of one model: got %d %s", got.status, got.body)
	}
}
