package protocol_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// vercel is the endpoint of Vercel AI Gateway at a path.
func vercel(path string) protocol.Endpoint {
	for _, endpoint := range (protocol.VercelAIGateway{}).Endpoints() {
		if endpoint.Path() == path {
			return endpoint
		}
	}
	panic("no endpoint at " + path)
}

// vercelHeader are the fields of a call that is not streamed, in a version of the
// specification.
func vercelHeader(specification, model string) protocol.Header {
	return protocol.Header{
		"Ai-Language-Model-Id": {model}, "Ai-Language-Model-Streaming": {"false"}, "Ai-Language-Model-Specification-Version": {specification},
		"Ai-Model-Id": {model}, "Ai-Embedding-Model-Specification-Version": {specification},
	}
}

const vercelHi = `"prompt":[{"role":"user","content":[{"type":"text","text":"hi"}]}]`

func TestVercelRefuse(t *testing.T) {
	with := func(members string) string { return `{` + vercelHi + `,` + members + `}` }
	part := func(p string) string { return `{"prompt":[{"role":"user","content":[` + p + `]}]}` }
	checkRefused(t, vercel("/v3/ai/language-model"), map[string]refused{
		"no prompt":             {`{}`, "prompt", false, "an array of messages"},
		"too high a bound":      {with(`"maxOutputTokens":101`), "maxOutputTokens", false, "maximum of 100"},
		"a bound of 0":          {with(`"maxOutputTokens":0`), "maxOutputTokens", false, "leave it out"},
		"two bounds":            {with(`"maxOutputTokens":1,"maxOutputTokens":2`), "maxOutputTokens", false, "twice"},
		"another case":          {with(`"MaxOutputTokens":1`), "MaxOutputTokens", false, `use "maxOutputTokens"`},
		"other models":          {with(`"providerOptions":{"gateway":{"models":["a/b"]}}`), "providerOptions.gateway.models", true, "use a virtual model"},
		"a host":                {with(`"providerOptions":{"gateway":{"only":["x"]}}`), "providerOptions.gateway.only", true, "the dearest host"},
		"an order of hosts":     {with(`"providerOptions":{"gateway":{"order":["x"]}}`), "providerOptions.gateway.order", true, "the dearest host"},
		"another's key":         {with(`"providerOptions":{"gateway":{"byok":{}}}`), "providerOptions.gateway.byok", true, "the caller's own key"},
		"a second bound":        {with(`"providerOptions":{"openai":{"maxCompletionTokens":9999}}`), "providerOptions.openai.maxCompletionTokens", true, "not known"},
		"an unknown provider":   {with(`"providerOptions":{"x":{}}`), "providerOptions.x", true, "not known"},
		"two tiers":             {with(`"providerOptions":{"openai":{"serviceTier":"flex"},"gateway":{"serviceTier":"priority"}}`), "providerOptions.gateway.serviceTier", false, "conflicts"},
		"a tier of no price":    {with(`"providerOptions":{"openai":{"serviceTier":"flex"}}`), "", false, "no price for service tier"},
		"a provider's tool":     {with(`"tools":[{"type":"provider","id":"openai.web_search","name":"w","args":{}}]`), "tools[0].id", true, "the provider runs"},
		"a field for providers": {with(`"headers":{"anthropic-beta":"x"}`), "headers.anthropic-beta", true, "not known"},
		"sound":                 {part(`{"type":"file","mediaType":"audio/wav","data":"aa"}`), "mediaType", true, "audio"},
		"pages":                 {part(`{"type":"file","mediaType":"application/pdf","data":"aa"}`), "", true, "a file"},
		"an item":               {part(`{"type":"text","text":"a","providerOptions":{"openai":{"itemId":"i"}}}`), "", true, "stored"},
		"a part of tomorrow":    {part(`{"type":"hologram"}`), "prompt[0].content[0].type", true, "use a part"},
		"a budget of words":     {with(`"providerOptions":{"anthropic":{"thinking":{"budgetTokens":"1"}}}`), "providerOptions.anthropic.thinking.budgetTokens", false, "whole number"},
	})
	checkRefused(t, vercel("/v3/ai/embedding-model"), map[string]refused{
		"nothing":  {`{}`, "values", false, "an array"},
		"both":     {`{"input":"a","values":["b"]}`, "values", false, "conflicts"},
		"a number": {`{"values":[1]}`, "values[0]", false, "a string"},
	})
}

// TestVercelHeaders: what the header must say of a call.
func TestVercelHeaders(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(protocol.Header)
		says   string
	}{
		"as it should be":       {func(protocol.Header) {}, ""},
		"no model":              {func(h protocol.Header) { h.Del("Ai-Language-Model-Id") }, "ai-language-model-id must be in the header once"},
		"two models":            {func(h protocol.Header) { h.Add("Ai-Language-Model-Id", "mini") }, "ai-language-model-id must be in the header once"},
		"a model that is none":  {func(h protocol.Header) { h.Set("Ai-Language-Model-Id", "\xff") }, "must be UTF-8"},
		"perhaps a stream":      {func(h protocol.Header) { h.Set("Ai-Language-Model-Streaming", "1") }, "must be true or false"},
		"another specification": {func(h protocol.Header) { h.Set("Ai-Language-Model-Specification-Version", "2") }, "must be 3 below /v3/ai"},
	} {
		t.Run(name, func(t *testing.T) {
			in := incoming(`{` + vercelHi + `}`)
			tc.change(in.Header.(protocol.Header))
			_, err := vercel("/v3/ai/language-model").Read(in)
			if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("got %v, want %q", err, tc.says)
			}
		})
	}
}

func TestVercelBound(t *testing.T) {
	const bound = `{"maxOutputTokens":100,`
	checkBounded(t, vercel("/v3/ai/language-model"), "/v3/ai/language-model", map[string]bounded{
		"no bound": {body: `{` + vercelHi + `}`, wantBody: bound + vercelHi + `}`, want: price.Usage{CacheWrite5m: length, Output: 100}},
		"a bound":  {body: `{` + vercelHi + `,"maxOutputTokens":7}`, want: price.Usage{CacheWrite5m: length, Output: 7}},
		"tools": {
			body: `{` + vercelHi + `,"maxOutputTokens":7,"tools":[{"type":"function","name":"f","inputSchema":{}}]}`,
			want: price.Usage{CacheWrite5m: length + 1024, Output: 7},
		},
		"a tool of Anthropic's that the client runs": {
			body: `{` + vercelHi + `,"maxOutputTokens":7,"tools":[{"type":"provider","id":"anthropic.bash_20250124","name":"bash","args":{}}]}`,
			want: price.Usage{CacheWrite5m: length + 1024 + 1500, Output: 7},
		},
		"thoughts on top": {
			body: `{` + vercelHi + `,"maxOutputTokens":7,"providerOptions":{"anthropic":{"thinking":{"type":"enabled","budgetTokens":20}}}}`,
			want: price.Usage{CacheWrite5m: length, Output: 27},
		},
		"thoughts of the usual length": {
			body: `{` + vercelHi + `,"maxOutputTokens":7,"providerOptions":{"bedrock":{"reasoningConfig":{"type":"enabled"}}}}`,
			want: price.Usage{CacheWrite5m: length, Output: 100},
		},
		"a stored item": {
			body:   `{"maxOutputTokens":7,"prompt":[{"role":"assistant","content":[{"type":"text","text":"a","providerOptions":{"openai":{"itemId":"i"}}}]}]}`,
			window: 5000, want: price.Usage{CacheWrite5m: 5000, Output: 7},
		},
	})
	checkBounded(t, vercel("/v3/ai/embedding-model"), "/v3/ai/embedding-model", map[string]bounded{
		"one":     {body: `{"values":["hi"]}`, want: price.Usage{Input: length}},
		"several": {body: `{"values":["hi","ho"]}`, window: 5, want: price.Usage{Input: length}},
		"input":   {body: `{"input":"hi"}`, window: 5, want: price.Usage{Input: 5}},
	})
}

// TestVercelHeaderOfCalls: the provider is asked in the header for the model by its name.
func TestVercelHeaderOfCalls(t *testing.T) {
	for path, want := range map[string]protocol.Header{
		"/v3/ai/language-model":  {"Ai-Language-Model-Id": {"maxi-2026"}, "Ai-Language-Model-Streaming": {"true"}, "Ai-Language-Model-Specification-Version": {"3"}},
		"/v3/ai/embedding-model": {"Ai-Model-Id": {"maxi-2026"}, "Ai-Embedding-Model-Specification-Version": {"3"}},
	} {
		request, err := vercel(path).Read(streamed(incoming(map[bool]string{true: `{` + vercelHi + `}`, false: `{"values":["hi"]}`}[strings.Contains(path, "language")])))
		if err != nil {
			t.Fatal(err)
		}
		call, err := request.For(maxi, protocol.OutputLimits{})
		if err != nil {
			t.Fatal(err)
		}
		for name, values := range want {
			if !slices.Equal(call.Header[name], values) {
				t.Errorf("%s: %s is %q, want %q", path, name, call.Header[name], values)
			}
		}
		if len(call.Header) != len(want) {
			t.Errorf("%s: got %v, want %v", path, call.Header, want)
		}
	}
}

func TestVercelUsage(t *testing.T) {
	const body = `{` + vercelHi + `}`
	const usage3 = `"usage":{"inputTokens":{"total":10,"noCache":5,"cacheRead":4,"cacheWrite":1},"outputTokens":{"total":20,"text":12,"reasoning":8},"raw":{"x":9}}`
	used := price.Usage{Input: 5, CachedInput: 4, CacheWrite5m: 1, Output: 20, Reasoning: 8}
	whole := func(members string) string { return `{"content":[{"type":"text","text":"a"}],` + members + `}` }
	checkAnswered(t, vercel("/v3/ai/language-model"), body, false, map[string]answered{
		"usage":                     {whole(usage3), false, used, true, false},
		"of specification 2":        {whole(`"usage":{"inputTokens":10,"outputTokens":20,"totalTokens":30,"cachedInputTokens":4,"reasoningTokens":8}`), false, price.Usage{Input: 6, CachedInput: 4, Output: 20, Reasoning: 8}, true, false},
		"more cached than input":    {whole(`"usage":{"inputTokens":10,"outputTokens":20,"totalTokens":130,"cachedInputTokens":100}`), false, price.Usage{Input: 10, CachedInput: 100, Output: 20}, true, false},
		"written, told elsewhere":   {whole(`"usage":{"inputTokens":1,"outputTokens":20},"providerMetadata":{"anthropic":{"cacheCreationInputTokens":50}}`), false, price.Usage{Input: 1, CacheWrite5m: 50, Output: 20}, true, false},
		"thoughts in the sum alone": {whole(`"usage":{"inputTokens":10,"outputTokens":20,"totalTokens":38,"reasoningTokens":8}`), false, price.Usage{Input: 10, Output: 28, Reasoning: 8}, true, false},
		"a sum below its parts":     {whole(`"usage":{"inputTokens":10,"outputTokens":20,"totalTokens":29}`), false, price.Usage{}, false, false},
		"a cost within the prices":  {whole(usage3 + `,"providerMetadata":{"gateway":{"cost":"0.000000001"}}`), false, used, true, false},
		"a cost beyond the prices":  {whole(usage3 + `,"providerMetadata":{"gateway":{"cost":"100"}}`), false, price.Usage{}, false, false},
		"a cost that is none":       {whole(usage3 + `,"providerMetadata":{"gateway":{"cost":"-1"}}`), false, price.Usage{}, false, false},
		"a tier":                    {whole(usage3 + `,"providerMetadata":{"openai":{"serviceTier":"priority"}}`), false, price.Usage{Input: 5, CachedInput: 4, CacheWrite5m: 1, Output: 20, Reasoning: 8, ServiceTier: "priority"}, true, false},
		"the model":                 {whole(usage3 + `,"response":{"modelId":"maxi-2026-01-01"}`), false, used, true, false},
		"another model":             {whole(usage3 + `,"response":{"modelId":"mini"}`), false, price.Usage{}, false, false},
		"by the gateway's name":     {whole(usage3 + `,"response":{"modelId":"host-7b"},"providerMetadata":{"gateway":{"routing":{"canonicalSlug":"x/maxi-2026"}}}`), false, used, true, false},
		"something of tomorrow":     {whole(`"usage":{"inputTokens":{"total":10,"video":4},"outputTokens":{"total":20}}`), false, price.Usage{}, false, false},
		"no output":                 {whole(`"usage":{"inputTokens":{"total":10},"outputTokens":{"total":0}}`), false, price.Usage{}, false, false},
		"no input":                  {whole(`"usage":{"inputTokens":{"total":0},"outputTokens":{"total":20}}`), false, price.Usage{}, false, false},
		"more cached than all":      {whole(`"usage":{"inputTokens":{"total":10,"cacheRead":11},"outputTokens":{"total":20}}`), false, price.Usage{}, false, false},
		"numbers that are not told": {whole(`"usage":{"inputTokens":{},"outputTokens":{}}`), false, price.Usage{}, false, false},
		"none":                      {whole(`"warnings":[]`), false, price.Usage{}, false, false},
		"cut":                       {whole(usage3), true, price.Usage{}, false, true},
	})
	const start = `data: {"type":"stream-start","warnings":[]}` + "\n\n" + `data: {"type":"response-metadata","id":"i","modelId":"maxi-2026"}` + "\n\n"
	const text = `data: {"type":"text-start","id":"0"}` + "\n\n" + `data: {"type":"text-delta","id":"0","delta":"the \"finish\""}` + "\n\n"
	const finish = `data: {"type":"finish","finishReason":{"unified":"stop","raw":"stop"},` + usage3 + `}` + "\n\n"
	const empty = `data: {"type":"finish","finishReason":{"unified":"stop"},"usage":{"inputTokens":{"total":0},"outputTokens":{"total":0}}}` + "\n\n"
	checkAnswered(t, vercel("/v3/ai/language-model"), body, true, map[string]answered{
		"to its end":                {start + text + finish + "data: [DONE]\n\n", false, used, true, false},
		"without [DONE]":            {start + text + finish, false, used, true, false},
		"parts twice":               {start + start + text + finish + finish, false, used, true, false},
		"an empty end after a true": {start + text + finish + empty, false, used, true, false},
		"less at a later end":       {start + text + finish + strings.Replace(finish, `"total":20`, `"total":19`, 1), false, price.Usage{}, false, false},
		"cut after its end":         {start + text + finish, true, used, true, false},
		"cut before its end":        {start + text, true, price.Usage{}, false, true},
		"ends too early":            {start + text, false, price.Usage{}, false, true},
		"an error":                  {start + `data: {"type":"error","error":{"message":"no"}}` + "\n\n", false, price.Usage{}, false, true},
		"another model":             {strings.Replace(start, "maxi", "mini", 1) + text + finish, false, price.Usage{}, false, false},
		"output that was not told":  {start + text + strings.Replace(finish, `"total":20`, `"total":0`, 1), false, price.Usage{}, false, false},
		"lines of CRLF":             {strings.ReplaceAll(start+text+finish, "\n", "\r\n"), false, used, true, false},
	})
	checkAnswered(t, vercel("/v3/ai/embedding-model"), `{"values":["hi"]}`, false, map[string]answered{
		"usage":               {`{"embeddings":[[0.1]],"usage":{"tokens":3},"providerMetadata":{"gateway":{"cost":"0.000000003"}}}`, false, price.Usage{Input: 3}, true, false},
		"a cost beyond":       {`{"embeddings":[[0.1]],"usage":{"tokens":3},"providerMetadata":{"gateway":{"cost":"1"}}}`, false, price.Usage{}, false, false},
		"nothing":             {`{"embeddings":[[0.1]]}`, false, price.Usage{}, false, false},
		"something of images": {`{"embeddings":[[0.1]],"usage":{"tokens":3,"images":1}}`, false, price.Usage{}, false, false},
	})
}

func TestVercelMessage(t *testing.T) {
	checkMessage(t, vercel("/v3/ai/language-model"), `{`+vercelHi+`}`, false)
	checkMessage(t, vercel("/v3/ai/language-model"), `{`+vercelHi+`}`, true)
	for members, want := range map[string]bool{
		`"responseFormat":{"type":"json"}`: false, `"toolChoice":{"type":"required"}`: false, `"toolChoice":{"type":"tool","toolName":"f"}`: false,
		`"toolChoice":{"type":"auto"},"responseFormat":{"type":"text"}`: true,
	} {
		request, err := vercel("/v3/ai/language-model").Read(incoming(`{` + vercelHi + `,` + members + `}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := request.Message(protocol.Text{}); ok != want {
			t.Errorf("%s has a message: %t", members, ok)
		}
	}
}

// TestVercelModels: each version's clients take a list in which every model is of their
// specification.
func TestVercelModels(t *testing.T) {
	for path, want := range map[string]string{"/v1/ai/config": "v2", "/v3/ai/config": "v3", "/v4/ai/config": "v4"} {
		list := (protocol.VercelAIGateway{}).ModelList(path, []protocol.ListedModel{{Name: "openai/gpt-4o"}, {Name: "b"}})
		got, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		const first = `{"models":[{"id":"openai/gpt-4o","name":"openai/gpt-4o","specification":{"specificationVersion":"%","provider":"gateway","modelId":"openai/gpt-4o"}},`
		if !strings.HasPrefix(string(got), strings.Replace(first, "%", want, 1)) {
			t.Errorf("%s: got %s", path, got)
		}
	}
}
