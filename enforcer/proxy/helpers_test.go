package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// helperDoor is a door before a provider that notes what it is asked, and says the answer. It has a
// model of each protocol, and a free one for moderation.
func helperDoor(t *testing.T, answer string) (d *door, asked *string) {
	asked = new(string)
	d = newDoor(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		*asked = r.URL.Path + " " + string(body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, answer)
	})
	endpoint := d.config.routes[0].Provider.Endpoint
	for name, protocol := range map[string]limiterv1.Protocol{"claude": limiterv1.Anthropic, "flash": limiterv1.Gemini} {
		model := mini
		model.Name, model.UpstreamName, model.ContextWindow = name, name+"-2026", 1000
		d.config.routes = append(d.config.routes, &config.Route{
			Provider: limiterv1.Provider{Name: name + "-provider", Protocol: protocol, Endpoint: endpoint}, Model: model,
		})
	}
	free := limiterv1.Model{Name: "omni-moderation-latest", UpstreamName: "omni-moderation-latest", Prices: flat(price.List{price.Input: 0})}
	d.config.routes = append(d.config.routes, &config.Route{Provider: d.config.routes[0].Provider, Model: free})
	return d, asked
}

// TestHelpers: what providers bill nothing for passes the limits of requests, and no limit of money
// or tokens.
func TestHelpers(t *testing.T) {
	for name, tc := range map[string]struct{ path, body, asked, answer string }{
		"Anthropic's": {"/v1/messages/count_tokens", `{"model":"claude","messages":[]}`, `/v1/messages/count_tokens {"model":"claude-2026","messages":[]}`, `{"input_tokens":7}`},
		"OpenAI's":    {"/v1/responses/input_tokens", `{"model":"mini","input":"hi"}`, `/v1/responses/input_tokens {"model":"mini-2026","input":"hi"}`, `{"object":"response.input_tokens","input_tokens":7}`},
		"Gemini's":    {"/v1beta/models/flash:countTokens", `{"contents":[]}`, `/v1/models/flash-2026:countTokens {"contents":[]}`, `{"totalTokens":7}`},
		"Gemini's, of a whole request": {"/v1beta/models/flash:countTokens", `{"generateContentRequest":{"model":"models/flash","contents":[]}}`,
			`/v1/models/flash-2026:countTokens {"generateContentRequest":{"model":"models/flash-2026","contents":[]}}`, `{"totalTokens":7}`},
		"moderation":                 {"/v1/moderations", `{"model":"omni-moderation-latest","input":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}`, `/v1/moderations {"model":"omni-moderation-latest","input":[{"type":"image_url","image_url":{"url":"https://example.com/a.png"}}]}`, `{"results":[]}`},
		"moderation without a model": {"/v1/moderations", `{"input":"hi"}`, `/v1/moderations {"input":"hi"}`, `{"results":[]}`},
	} {
		t.Run(name, func(t *testing.T) {
			d, asked := helperDoor(t, tc.answer)
			got := d.do(d.request(http.MethodPost, tc.path, tc.body))
			if got.status != 200 || got.body != tc.answer || *asked != tc.asked {
				t.Fatalf("got %d %s; the provider was asked %s, want %s", got.status, got.body, *asked, tc.asked)
			}
			if cost := got.header.Get(call.CostHeader); strings.Trim(cost, "0.") != "" || cost == "" {
				t.Errorf("the client is told that it cost %q", cost)
			}
			entry, end := d.ending()
			if entry.Outcome != ledgerv1.Settled || entry.Cost != 0 || entry.Held != 0 || end.Cost != 0 || !strings.Contains(tc.path, strings.Split(entry.Endpoint, "{")[0]) {
				t.Errorf("the ledger has %+v", entry)
			}
			checkCounted(t, d.store.admits[0])
		})
	}
}

// checkCounted checks that an admission counts one request, and nothing else.
func checkCounted(t *testing.T, admitted admission.AdmitRequest) {
	t.Helper()
	requests := int64(0)
	for _, account := range admitted.Accounts {
		if len(account.Money) > 0 {
			t.Errorf("limits of money are asked: %+v", account.Money)
		}
		for _, check := range account.Buckets {
			if check.Limit.Unit == limiterv1.Tokens && check.Need > 0 {
				t.Errorf("%d tokens are counted", check.Need)
			}
			if check.Limit.Unit == limiterv1.Requests {
				requests += check.Need
			}
		}
	}
	if requests != 1 {
		t.Errorf("%d requests are counted, want 1", requests)
	}
}

// TestHelpersRefused: they are refused for the same reasons as any other call.
func TestHelpersRefused(t *testing.T) {
	d, asked := helperDoor(t, "{}")
	for name, tc := range map[string]struct {
		path, body string
		status     int
		want       string
	}{
		"no model":               {"/v1/messages/count_tokens", `{"messages":[]}`, 400, "model must be the name of a model"},
		"two models":             {"/v1/responses/input_tokens", `{"model":"mini","model":"other"}`, 400, "given twice"},
		"another model in it":    {"/v1beta/models/flash:countTokens", `{"generateContentRequest":{"model":"models/pro"}}`, 400, "the model is named in the path"},
		"a model of another API": {"/v1/messages/count_tokens", `{"model":"mini"}`, 404, `"not_found_error"`},
		"pictures at a price":    {"/v1/moderations", `{"model":"mini","input":[{"type":"image_url"}]}`, 400, "only text has a bound"},
		"what is unknown":        {"/v1/moderations", `{"input":"hi","guard":true}`, 400, "guard is not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := d.do(d.request(http.MethodPost, tc.path, tc.body)); got.status != tc.status || !strings.Contains(got.body, tc.want) {
				t.Errorf("got %d %s, want %d and %q", got.status, got.body, tc.status, tc.want)
			}
		})
	}
	if *asked != "" {
		t.Errorf("the provider was asked %s", *asked)
	}
	request := d.request(http.MethodPost, "/v1/messages/count_tokens", `{"model":"claude"}`)
	request.Header.Del("Authorization")
	if got := d.do(request); got.status != 401 {
		t.Errorf("without a key: %d", got.status)
	}
}

// TestPricedModeration: where a provider has a price for moderation, it is held and settled.
func TestPricedModeration(t *testing.T) {
	d, _ := helperDoor(t, `{"model":"mini-2026","results":[],"usage":{"prompt_tokens":5,"total_tokens":5}}`)
	body := `{"model":"mini","input":["hi"]}`
	if got := d.do(d.request(http.MethodPost, "/v1/moderations", body)); got.status != 200 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	if entry, _ := d.ending(); entry.Cost != 5000 || int(entry.Held) != 1000*len(body) || entry.Outcome != ledgerv1.Settled {
		t.Errorf("the ledger has %+v", entry)
	}
}

// TestModelsInShapes: about models, every client is answered in the shape of its protocol.
func TestModelsInShapes(t *testing.T) {
	d, _ := helperDoor(t, "")
	for name, tc := range map[string]struct {
		path, field string
		status      int
		want        string
	}{
		"OpenAI's":                   {"/v1/models/mini", "", 200, `{"id":"mini","object":"model","created":0,"owned_by":"fake"}`},
		"OpenAI's, of another":       {"/v1/models/claude", "", 200, `{"id":"claude","object":"model","created":0,"owned_by":"claude-provider"}`},
		"OpenAI's, of none":          {"/v1/models/none", "", 404, `"code":"model_not_found"`},
		"Anthropic's":                {"/v1/models/claude", "Anthropic-Version", 200, `{"type":"model","id":"claude","display_name":"claude","created_at":"1970-01-01T00:00:00Z","max_input_tokens":1000,"max_tokens":100}`},
		"Anthropic's, of another":    {"/v1/models/mini", "Anthropic-Version", 404, `"type":"not_found_error"`},
		"Anthropic's list":           {"/v1/models", "Anthropic-Version", 200, `{"data":[{"type":"model","id":"claude","display_name":"claude","created_at":"1970-01-01T00:00:00Z","max_input_tokens":1000,"max_tokens":100}],"has_more":false,"first_id":"claude","last_id":"claude"}`},
		"Gemini's":                   {"/v1beta/models/flash", "", 200, `{"name":"models/flash","displayName":"flash","inputTokenLimit":1000,"outputTokenLimit":100,"supportedGenerationMethods":["generateContent","countTokens"]}`},
		"Gemini's list":              {"/v1beta/models?pageSize=5", "", 200, `{"models":[{"name":"models/flash",`},
		"Gemini's, of none":          {"/v1beta/models/none", "", 404, `"status":"NOT_FOUND"`},
		"another method of a model":  {"/v1beta/models/flash:generateContent", "", 405, "supports POST, not GET"},
		"without a version":          {"/models/mini", "", 200, `"id":"mini"`},
		"a name with a slash, twice": {"/v1/v1/models/mini", "", 200, `"id":"mini"`},
	} {
		t.Run(name, func(t *testing.T) {
			request := d.request(http.MethodGet, tc.path, "")
			if tc.field != "" {
				request.Header.Set(tc.field, "2023-06-01")
			}
			if got := d.do(request); got.status != tc.status || !strings.Contains(got.body, tc.want) {
				t.Errorf("got %d %s, want %d %s", got.status, got.body, tc.status, tc.want)
			}
		})
	}
	request := d.request(http.MethodGet, "/v1/models/mini", "")
	request.Header.Del("Authorization")
	if got := d.do(request); got.status != 401 {
		t.Errorf("without a key: %d", got.status)
	}
}

// TestBaseURLs: a client whose base URL has too little, or too much, is served.
func TestBaseURLs(t *testing.T) {
	for path, body := range map[string]string{
		"/chat/completions":                           chat,
		"//v1/chat/completions":                       chat,
		"/v1//chat/completions":                       chat,
		"/v1/chat/completions/":                       chat,
		"/v1/v1/chat/completions":                     chat,
		"/messages":                                   `{"model":"claude","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}`,
		"/v1/v1/messages":                             `{"model":"claude","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}`,
		"/models/flash:generateContent":               `{"contents":[{"parts":[{"text":"hi"}]}]}`,
		"/v1/v1beta/models/flash:generateContent":     `{"contents":[{"parts":[{"text":"hi"}]}]}`,
		"/v1beta/v1beta/models/flash:generateContent": `{"contents":[{"parts":[{"text":"hi"}]}]}`,
		"/v1/models/flash:generateContent":            `{"contents":[{"parts":[{"text":"hi"}]}]}`,
	} {
		d, asked := helperDoor(t, "{}")
		if got := d.do(d.request(http.MethodPost, path, body)); got.status != 200 || *asked == "" {
			t.Errorf("%s: %d %s", path, got.status, got.body)
			continue
		}
		testkit.Eventually(t, "the call is in the ledger", func() bool { return len(d.ledger.all()) == 1 })
	}
	d, _ := helperDoor(t, "{}")
	for _, path := range []string{"/v1/completions", "/v2/chat/completions", "/chat", "/v1/v1/v1/chat/completions", "/v1/chat/../chat/completions"} {
		if got := d.do(d.request(http.MethodPost, path, chat)); got.status != 404 || !strings.Contains(got.body, "unknown_url") {
			t.Errorf("%s: %d %s", path, got.status, got.body)
		}
	}
}
