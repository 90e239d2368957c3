package proxy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// api is an API as its clients call it.
type api struct {
	name         string
	path, stream string // stream is empty where the body asks for one
	key          string // the field, or parameter, in which the key is sent
	body         func(prompt string, output int, stream bool) map[string]any
	neverStreams bool
	// header are fields that a request has, and streamedBy is the one of them that says
	// whether a stream is wanted.
	header     map[string]string
	streamedBy string
	// more are directives of the fake that suit the protocol.
	more []string
}

func user(prompt string) []any { return []any{map[string]any{"role": "user", "content": prompt}} }

func chatBody(model string, usage bool) func(string, int, bool) map[string]any {
	return func(prompt string, output int, stream bool) map[string]any {
		body := map[string]any{"messages": user(prompt), "max_completion_tokens": output, "stream": stream}
		if model != "" {
			body["model"] = model
		}
		if stream && usage {
			body["stream_options"] = map[string]any{"include_usage": true}
		}
		return body
	}
}

func geminiBody(prompt string, output int, _ bool) map[string]any {
	return map[string]any{
		"contents":         []any{map[string]any{"role": "user", "parts": []any{map[string]any{"text": prompt}}}},
		"generationConfig": map[string]any{"maxOutputTokens": output},
	}
}

// vercelAPI is a version of Vercel AI Gateway's protocol, with a model.
func vercelAPI(base, specification, model string, more ...string) api {
	return api{
		name: "Vercel " + base, path: base + "/language-model", key: "Authorization", more: more, streamedBy: "ai-language-model-streaming",
		header: map[string]string{"ai-language-model-specification-version": specification, "ai-language-model-id": "gateway/" + model},
		body: func(prompt string, output int, _ bool) map[string]any {
			content := []any{map[string]any{"type": "text", "text": prompt}}
			return map[string]any{"prompt": []any{map[string]any{"role": "user", "content": content}}, "maxOutputTokens": output}
		},
	}
}

var protocols = []api{
	{name: "Chat Completions", path: "/v1/chat/completions", key: "Authorization", body: chatBody("gpt-4o", false), more: []string{"thoughts=2", "audio=1", "noend", "blankend", "place=choice", "place=finish noend", "place=each"}},
	{name: "Chat Completions with usage", path: "/v1/chat/completions", key: "Authorization", body: chatBody("gpt-5", true), more: []string{"tier=flex", "tier=priority", "write=2", "write=3 tier=priority noend", "place=choice noend", "place=each noend write=1"}},
	{name: "Azure", path: "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21", key: "Api-Key", body: chatBody("", true)},
	{name: "Responses", path: "/v1/responses", key: "Authorization", more: []string{"thoughts=2", "write=2", "write=1 tier=priority"}, body: func(prompt string, output int, stream bool) map[string]any {
		return map[string]any{"model": "gpt-5", "input": prompt, "max_output_tokens": output, "stream": stream}
	}},
	{name: "Responses with searches", path: "/v1/responses", key: "Authorization", more: []string{"searches=3", "searches=1 tier=flex write=1"}, body: func(prompt string, output int, stream bool) map[string]any {
		return map[string]any{
			"model": "gpt-5", "input": prompt, "max_output_tokens": output, "stream": stream,
			"max_tool_calls": 3, "tools": []any{map[string]any{"type": "web_search", "external_web_access": false}},
		}
	}},
	{name: "Messages", path: "/v1/messages", key: "X-Api-Key", more: []string{"write=2", "write1h=2", "write=1 write1h=1", "write1h=3 unsplit", "geo=us", "speed=fast geo=us write1h=1", "noend"}, body: func(prompt string, output int, stream bool) map[string]any {
		block := map[string]any{"type": "text", "text": prompt, "cache_control": map[string]any{"type": "ephemeral", "ttl": "1h"}}
		return map[string]any{
			"model": "claude-sonnet-4-5", "max_tokens": output, "stream": stream,
			"messages": []any{map[string]any{"role": "user", "content": []any{block}}},
		}
	}},
	{name: "Messages with searches", path: "/v1/messages", key: "X-Api-Key", more: []string{"searches=3", "searches=1 geo=us speed=fast"}, body: func(prompt string, output int, stream bool) map[string]any {
		return map[string]any{
			"model": "claude-sonnet-4-5", "max_tokens": output, "stream": stream, "messages": []any{map[string]any{"role": "user", "content": prompt}},
			"tools": []any{map[string]any{"type": "web_search_20250305", "name": "web_search", "max_uses": 3}},
		}
	}},
	{
		name: "Gemini with a search", path: "/v1beta/models/gemini-2.5-flash:generateContent", stream: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
		key: "X-Goog-Api-Key", more: []string{"searches=1", "searches=1 noend"}, body: func(prompt string, output int, stream bool) map[string]any {
			body := geminiBody(prompt, output, stream)
			body["tools"] = []any{map[string]any{"googleSearch": map[string]any{}}}
			return body
		},
	},
	{
		name: "Gemini", path: "/v1beta/models/gemini-2.5-flash:generateContent", stream: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
		key: "X-Goog-Api-Key", more: []string{"thoughts=2", "thoughts=2 noend"}, body: geminiBody,
	},
	{
		name: "Gemini with the key in the query", path: "/v1beta/models/gemini-2.5-flash:generateContent?key=key",
		stream: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse&key=key", body: geminiBody,
	},
	vercelAPI("/v1/ai", "2", "gpt-4o", "thoughts=2", "noend"),
	vercelAPI("/v3/ai", "3", "gpt-5", "thoughts=2", "write=2", "tier=flex", "write=3 tier=priority noend"),
	vercelAPI("/v4/ai", "4", "claude-sonnet-4-5", "write=2"),
	{
		name: "Vercel's embeddings", path: "/v3/ai/embedding-model", key: "Authorization", neverStreams: true,
		header: map[string]string{"ai-embedding-model-specification-version": "3", "ai-model-id": "gateway/text-embedding-3-small"},
		body:   func(prompt string, _ int, _ bool) map[string]any { return map[string]any{"values": []any{prompt}} },
	},
	{name: "Embeddings", path: "/v1/embeddings", key: "Authorization", neverStreams: true, body: func(prompt string, _ int, _ bool) map[string]any {
		return map[string]any{"model": "text-embedding-3-small", "input": prompt}
	}},
}

// listed are the prices of the fake, written down a second time.
func listed(list price.List, tiers map[price.ServiceTier]int64) price.Book {
	book := price.Book{price.Default: {Base: list}}
	for tier, tenths := range tiers {
		other := price.List{}
		for kind, p := range list {
			other[kind] = p * money.Nanos(tenths) / 10
		}
		book[tier] = price.Tariff{Base: other}
	}
	return book
}

// newProtocolsDoor is a door before the fake, which has all of its models there.
func newProtocolsDoor(t *testing.T, upstream http.HandlerFunc, change ...func(*doorOptions)) *door {
	t.Helper()
	d := newDoor(t, upstream, change...)
	base := strings.TrimSuffix(d.config.routes[0].Provider.Endpoint, "/v1")
	d.config.routes = nil
	add := func(protocol limiterv1.Protocol, path, model string, list price.List, tiers map[price.ServiceTier]int64) {
		d.config.routes = append(d.config.routes, &config.Route{
			Provider: limiterv1.Provider{Name: string(protocol), Protocol: protocol, Endpoint: base + path},
			Model:    limiterv1.Model{Name: model, UpstreamName: model, ContextWindow: 4000, MaxOutputTokens: 200, Prices: listed(list, tiers)},
		})
	}
	const cent, mill = money.Cent, money.Cent / 10
	add(limiterv1.OpenAI, "/v1", "gpt-4o", price.List{price.Input: 250 * cent, price.CachedInput: 125 * cent, price.AudioInput: 4000 * cent, price.Output: 1000 * cent}, map[price.ServiceTier]int64{"priority": 17})
	add(limiterv1.OpenAI, "/v1", "gpt-5", price.List{price.Input: 125 * cent, price.CachedInput: 125 * mill, price.CacheWrite5m: 1250 * cent / 8, price.Output: 1000 * cent}, map[price.ServiceTier]int64{"flex": 5, "priority": 20})
	add(limiterv1.OpenAI, "/v1", "text-embedding-3-small", price.List{price.Input: 2 * cent, price.CachedInput: 2 * cent, price.Output: 0}, nil)
	add(limiterv1.AzureOpenAI, "/openai", "gpt-4o-mini", price.List{price.Input: 15 * cent, price.CachedInput: 75 * mill, price.Output: 60 * cent}, nil)
	add(limiterv1.Anthropic, "/v1", "claude-sonnet-4-5", price.List{price.Input: 300 * cent, price.CachedInput: 30 * cent, price.CacheWrite5m: 375 * cent, price.CacheWrite1h: 600 * cent, price.Output: 1500 * cent}, nil)
	add(limiterv1.Gemini, "/v1beta", "gemini-2.5-flash", price.List{price.Input: 30 * cent, price.CachedInput: 3 * cent, price.AudioInput: 100 * cent, price.Output: 250 * cent}, nil)
	for _, route := range d.config.routes {
		if route.Provider.Protocol == limiterv1.OpenAI || route.Provider.Protocol == limiterv1.Anthropic {
			atGateway := *route
			atGateway.Provider.Name, atGateway.Provider.Protocol, atGateway.Provider.Endpoint = "vercel", limiterv1.VercelAIGateway, base
			atGateway.Model.Name, atGateway.Model.UpstreamName = "gateway/"+route.Model.Name, "maker/"+route.Model.Name
			atGateway.Model.Prices = maps.Clone(route.Model.Prices)
			d.config.routes = append(d.config.routes, &atGateway)
		}
	}
	for _, route := range d.config.routes {
		for tier, tariff := range route.Model.Prices {
			tariff.Multipliers = []price.Multiplier{
				{Property: "inference_geo", Value: "us", Factor: price.One * 11 / 10}, {Property: "speed", Value: "fast", Factor: 6 * price.One},
			}
			tariff.Fees = price.Fees{"web_search": cent, "google_search": 35 * mill}
			route.Model.Prices[tier] = tariff
		}
	}
	return d
}

// ask is a request of the protocol.
func (d *door) ask(ctx context.Context, p api, prompt string, output int, stream bool) *http.Request {
	d.t.Helper()
	body, err := json.Marshal(p.body(prompt, output, stream))
	if err != nil {
		d.t.Fatal(err)
	}
	path := p.path
	if stream && p.stream != "" {
		path = p.stream
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.url+path, bytes.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for name, value := range p.header {
		r.Header.Set(name, value)
	}
	if p.streamedBy != "" {
		r.Header.Set(p.streamedBy, strconv.FormatBool(stream))
	}
	switch p.key {
	case "":
	case "Authorization":
		r.Header.Set(p.key, "Bearer key")
	default:
		r.Header.Set(p.key, "key")
	}
	return r
}

// entry is the ledger's entry of a call, once it is there.
func (d *door) entry(callID string) (found ledgerv1.Entry) {
	d.t.Helper()
	testkit.Eventually(d.t, "call "+callID+" is settled", func() bool {
		d.ledger.mu.Lock()
		defer d.ledger.mu.Unlock()
		for _, e := range slices.Backward(d.ledger.given) {
			if e.CallID == callID {
				found = e
				return true
			}
		}
		return false
	})
	return found
}

// billOf is what the provider bills for the call of a reply.
func billOf(t *testing.T, fake *fakeprovider.Provider, got reply) fakeprovider.BilledCall {
	t.Helper()
	for _, billed := range fake.Bill().Calls {
		if billed.ID == got.header.Get(call.CallIDHeader) {
			return billed
		}
	}
	t.Fatal("the call is not on the bill")
	return fakeprovider.BilledCall{}
}

// apiNamed is one of the protocols.
func apiNamed(name string) api {
	return protocols[slices.IndexFunc(protocols, func(p api) bool { return p.name == name })]
}
