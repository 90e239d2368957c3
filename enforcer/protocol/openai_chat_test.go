package protocol_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// mini is priced so that each kind of token can be told from the sum: one input
// token costs 1,000 nano-USD, a cached one 100, an output token 1,000,000.
var mini = limiterv1.Model{
	Name: "mini", UpstreamName: "mini", MaxOutputTokens: 4096,
	Prices: price.Book{price.Default: {Base: price.List{price.Input: money.USD, price.CachedInput: money.USD / 10, price.Output: 1000 * money.USD}}},
}

func read(t *testing.T, body string) protocol.ParsedRequest {
	t.Helper()
	request, err := protocol.ChatCompletions{}.Read(protocol.Incoming{Body: []byte(body)})
	if err != nil {
		t.Fatalf("read %s: %v", body, err)
	}
	return request
}

func callFor(t *testing.T, body string, model limiterv1.Model) protocol.BoundedCall {
	t.Helper()
	call, err := read(t, body).For(model, protocol.OutputLimits{})
	if err != nil {
		t.Fatalf("%s for %s: %v", body, model.Name, err)
	}
	return call
}

func TestReadChat(t *testing.T) {
	for name, tc := range map[string]struct {
		body         string
		wantModel    string
		wantStreamed bool
	}{
		"the least":            {`{"model":"mini","messages":[]}`, "mini", false},
		"streamed":             {`{"stream":true,"model":"mini","messages":[]}`, "mini", true},
		"not streamed":         {`{"stream":false,"model":"mini","messages":[]}`, "mini", false},
		"nulls are absent":     {`{"model":"mini","messages":[],"stream":null,"stream_options":null,"n":null,"max_tokens":null,"max_completion_tokens":null,"service_tier":null,"audio":null,"modalities":null,"tools":null}`, "mini", false},
		"escapes":              {`{"mod\u0065l":"m\u0069ni","messages":[]}`, "mini", false},
		"space around":         {" \n{ \"model\" : \"mini\" , \"messages\" : [ ] } \n", "mini", false},
		"a bound with a point": {`{"model":"mini","messages":[],"max_tokens":256.0,"max_completion_tokens":256.00}`, "mini", false},
		"both bounds, equal":   {`{"model":"mini","messages":[],"max_tokens":5,"max_completion_tokens":5}`, "mini", false},
		"parts of text":        {`{"model":"mini","messages":[{"role":"user","content":[{"type":"text","text":"a"}]},{"role":"assistant","content":[{"type":"refusal","refusal":"b"}]}]}`, "mini", false},
		"no content":           {`{"model":"mini","messages":[{"role":"assistant","content":null,"tool_calls":[]},{"role":"assistant"}]}`, "mini", false},
		"tools":                {`{"model":"mini","messages":[],"tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"g"}}]}`, "mini", false},
		"tiers that are ours":  {`{"model":"mini","messages":[],"service_tier":"default"}`, "mini", false},
		"text alone":           {`{"model":"mini","messages":[],"modalities":["text"]}`, "mini", false},
		"what else there is":   {`{"model":"mini","messages":[],"store":true,"user":"u","temperature":1e0,"metadata":{"model":"x","MODEL":"y"}}`, "mini", false},
	} {
		t.Run(name, func(t *testing.T) {
			request := read(t, tc.body)
			if request.Model() != tc.wantModel || request.Streamed() != tc.wantStreamed {
				t.Errorf("got %q, streamed %t; want %q, %t", request.Model(), request.Streamed(), tc.wantModel, tc.wantStreamed)
			}
		})
	}
}

// TestBracketsInStrings: what lies in a string does not nest, whatever is escaped before it.
func TestBracketsInStrings(t *testing.T) {
	brackets := strings.Repeat("[{", 200)
	for _, text := range []string{brackets, `\"` + brackets, `\\\"` + brackets, brackets + `\\`, `\"\"` + brackets + `\"`} {
		body := `{"model":"mini","messages":[{"role":"user","content":"` + text + `"}]}`
		if _, err := (protocol.ChatCompletions{}).Read(protocol.Incoming{Body: []byte(body)}); err != nil {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

// BenchmarkReadChat is the reading of a request of 64 KiB.
func BenchmarkReadChat(b *testing.B) {
	text := strings.Repeat(`She said: \"The answer is forty-two.\"\n`, 64<<10/40)
	body := []byte(`{"model":"mini","messages":[{"role":"user","content":"` + text + `"}]}`)
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, err := (protocol.ChatCompletions{}).Read(protocol.Incoming{Body: body}); err != nil {
			b.Fatal(err)
		}
	}
}

func TestReadChatRefuses(t *testing.T) {
	with := func(members string) string { return `{"model":"mini","messages":[],` + members + `}` }
	message := func(m string) string { return `{"model":"mini","messages":[{"content":"fine"},` + m + `]}` }
	for name, tc := range map[string]struct {
		body        string
		param       string
		unsupported bool
		says        string
	}{
		"nothing":                {"", "", false, "not valid JSON"},
		"not JSON":               {`{"model":"mini",}`, "", false, "not valid JSON"},
		"more than one":          {`{"model":"mini","messages":[]}{}`, "", false, "not valid JSON"},
		"an array":               {`[]`, "", false, "not a JSON object"},
		"a string":               {`"{}"`, "", false, "not a JSON object"},
		"not UTF-8":              {"{\"model\":\"mini\",\"messages\":[],\"user\":\"\xff\"}", "", false, "not UTF-8"},
		"a bottomless pit":       {strings.Repeat("[", 40<<20), "", false, "nests deeper"},
		"deep in an object":      {with(`"metadata":` + strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300)), "", false, "nests deeper"},
		"deep behind a string":   {with(`"user":"\"\\\\","metadata":` + strings.Repeat(`{"a":`, 300) + "1" + strings.Repeat("}", 300)), "", false, "nests deeper"},
		"no model":               {`{"messages":[]}`, "model", false, "must be"},
		"null for a model":       {`{"model":null,"messages":[]}`, "model", false, "must be"},
		"a number for one":       {`{"model":1,"messages":[]}`, "model", false, "must be"},
		"an empty one":           {`{"model":"","messages":[]}`, "model", false, "must be"},
		"two models":             {with(`"model":"dear"`), "model", false, "twice"},
		"an escaped second":      {with(`"\u006dodel":"dear"`), "model", false, "twice"},
		"Model":                  {with(`"Model":"dear"`), "Model", false, `use "model"`},
		"long s":                 {with(`"\u017ftream":true`), "ſtream", false, `use "stream"`},
		"kelvin sign":            {with(`"max_to\u212aens":1`), "max_to\u212aens", false, `use "max_tokens"`},
		"two streams":            {with(`"stream":true,"stream":false`), "stream", false, "twice"},
		"two ns":                 {with(`"n":1,"n":2`), "n", false, "twice"},
		"two bounds":             {with(`"max_tokens":1,"max_tokens":2`), "max_tokens", false, "twice"},
		"two messages":           {with(`"messages":[]`), "messages", false, "twice"},
		"two tiers":              {with(`"service_tier":"auto","service_tier":"priority"`), "service_tier", false, "twice"},
		"stream as text":         {with(`"stream":"true"`), "stream", false, "true or false"},
		"options as text":        {with(`"stream_options":"yes"`), "stream_options", false, "an object"},
		"options twice":          {with(`"stream_options":{"include_usage":true,"include_usage":false}`), "stream_options.include_usage", false, "twice"},
		"options as number":      {with(`"stream_options":{"include_usage":1}`), "stream_options.include_usage", false, "true or false"},
		"n of zero":              {with(`"n":0`), "n", false, "between 1 and 128"},
		"n of too many":          {with(`"n":129`), "n", false, "between 1 and 128"},
		"n with an exponent":     {with(`"n":1e0`), "n", false, "whole number"},
		"n as text":              {with(`"n":"1"`), "n", false, "whole number"},
		"a negative bound":       {with(`"max_tokens":-2`), "max_tokens", false, "whole number"},
		"a fraction":             {with(`"max_tokens":1.5`), "max_tokens", false, "whole number"},
		"beyond 64 bits":         {with(`"max_completion_tokens":18446744073709551617`), "max_completion_tokens", false, "whole number"},
		"contradiction":          {with(`"max_tokens":5,"max_completion_tokens":6`), "max_completion_tokens", false, "conflicts with max_tokens"},
		"web search":             {with(`"web_search_options":{}`), "web_search_options", true, "use the tool web_search of Responses"},
		"a prediction":           {with(`"prediction":{"type":"content","content":"x"}`), "prediction", true, "not supported"},
		"fallback models":        {with(`"models":["dear"]`), "models", true, "not supported"},
		"a provider's tool":      {with(`"tools":[{"type":"function"},{"type":"web_search"}]`), "tools[1].type", true, "not supported"},
		"tools as object":        {with(`"tools":{}`), "tools", false, "an array"},
		"no messages":            {`{"model":"mini"}`, "messages", false, "an array"},
		"messages as text":       {`{"model":"mini","messages":"hi"}`, "messages", false, "an array"},
		"message as text":        {message(`"hi"`), "messages[1]", false, "an object"},
		"content as object":      {message(`{"content":{"type":"text"}}`), "messages[1].content", false, "a string or an array"},
		"part as text":           {message(`{"content":["hi"]}`), "messages[1].content[0]", false, "an object"},
		"an image without a URL": {message(`{"content":[{"type":"image_url","image_url":7}]}`), "messages[1].content[0].image_url", false, "an object with a URL"},
		"nothing at all":         {with(`"max_completion_tokens":0`), "max_completion_tokens", false, "leave it out to get as much"},
		"search, wanted":         {with(`"enable_search":true`), "enable_search", true, "billed separately"},
		"search, perhaps":        {with(`"enable_search":"false"`), "enable_search", true, "billed separately"},
		"an unknown part":        {message(`{"content":[{"type":"text","text":"x"},{"type":"video"}]}`), "messages[1].content[1].type", true, "not supported"},
		"a part of two":          {message(`{"content":[{"type":"text","type":"image_url"}]}`), "messages[1].content[0].type", false, "twice"},
		"two contents":           {message(`{"content":"hi","content":[{"type":"image_url"}]}`), "messages[1].content", false, "twice"},
		"content and Content": {
			message(`{"content":"hi","Content":[{"type":"image_url"}]}`), "messages[1].Content", false, `use "content"`,
		},
		"a part without type": {message(`{"content":[{"image_url":{"url":"x"}}]}`), "messages[1].content[0].type", true, "not supported"},
	} {
		t.Run(name, func(t *testing.T) {
			err := refusal(protocol.ChatCompletions{}, protocol.Incoming{Body: []byte(tc.body)})
			var wrong *protocol.RequestError
			if !errors.As(err, &wrong) {
				t.Fatalf("got %v; want a RequestError", err)
			}
			if wrong.Param != tc.param || wrong.Unsupported != tc.unsupported || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %q of %q, unsupported %t; want one that says %q of %q, unsupported %t",
					err, wrong.Param, wrong.Unsupported, tc.says, tc.param, tc.unsupported)
			}
		})
	}
}

func TestBound(t *testing.T) {
	alias := mini
	alias.UpstreamName = `mini "2"`
	dearCache := priced(mini, price.CachedInput, 2*money.USD)
	narrow := mini
	narrow.ContextWindow = 30
	for name, tc := range map[string]struct {
		body       string
		model      limiterv1.Model
		wantBody   string
		wantOutput int64
	}{
		"no bound": {
			`{"model":"mini","messages":[]}`, mini,
			`{"max_completion_tokens":4096,"model":"mini","messages":[]}`, 4096,
		},
		"a bound of null": {
			`{"model":"mini","max_completion_tokens":null,"max_tokens":null,"messages":[]}`, mini,
			`{"model":"mini","max_completion_tokens":4096,"max_tokens":null,"messages":[]}`, 4096,
		},
		"a bound of -1": {
			`{"model":"mini","messages":[],"max_tokens":-1}`, mini,
			`{"model":"mini","messages":[],"max_tokens":4096}`, 4096,
		},
		"a bound of -1, and one": {
			`{"model":"mini","messages":[],"max_tokens":-1,"max_completion_tokens":7}`, mini,
			`{"model":"mini","messages":[],"max_tokens":7,"max_completion_tokens":7}`, 7,
		},
		"a bound": {
			`{"model":"mini","messages":[],"max_completion_tokens":7}`, mini,
			`{"model":"mini","messages":[],"max_completion_tokens":7}`, 7,
		},
		"the old bound, for each of three": {
			`{"model":"mini","messages":[],"max_tokens":7,"n":3}`, mini,
			`{"model":"mini","messages":[],"max_tokens":7,"n":3}`, 21,
		},
		"the highest bound": {
			`{"model":"mini","messages":[],"max_tokens":4096}`, mini,
			`{"model":"mini","messages":[],"max_tokens":4096}`, 4096,
		},
		"another name upstream": {
			`{ "messages":[], "model" : "mini", "max_tokens":7}`, alias,
			`{ "messages":[], "model" : "mini \"2\"", "max_tokens":7}`, 7,
		},
		"cache dearer than input": {
			`{"model":"mini","messages":[],"max_tokens":7}`, dearCache,
			`{"model":"mini","messages":[],"max_tokens":7}`, 7,
		},
		"more than fits into the model": {
			`{"model":"mini","messages":[],"max_tokens":7}`, narrow,
			`{"model":"mini","messages":[],"max_tokens":7}`, 7,
		},
		"a stream": {
			`{"model":"mini","messages":[],"max_tokens":7,"stream":true}`, mini,
			`{"stream_options":{"include_usage":true},"model":"mini","messages":[],"max_tokens":7,"stream":true}`, 7,
		},
		"a stream whose usage is asked for": {
			`{"model":"mini","stream":true,"stream_options":{"include_usage":true},"messages":[],"max_tokens":7}`, mini,
			`{"model":"mini","stream":true,"stream_options":{"include_usage":true},"messages":[],"max_tokens":7}`, 7,
		},
		"a stream whose usage is not wanted": {
			`{"model":"mini","stream":true,"stream_options":{"include_usage":false,"include_obfuscation":false},"messages":[],"max_tokens":7}`, mini,
			`{"model":"mini","stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false},"messages":[],"max_tokens":7}`, 7,
		},
		"a stream with options of null, no bound and another name": {
			"\t{\"model\":\"mini\",\"stream\":true,\"stream_options\":null,\"messages\":[]}", alias,
			"\t{\"max_completion_tokens\":4096,\"model\":\"mini \\\"2\\\"\",\"stream\":true,\"stream_options\":{\"include_usage\":true},\"messages\":[]}", 4096,
		},
	} {
		t.Run(name, func(t *testing.T) {
			call := callFor(t, tc.body, tc.model)
			if string(call.Body()) != tc.wantBody {
				t.Errorf("body\n got %s\nwant %s", call.Body(), tc.wantBody)
			}
			input := int64(len(tc.body))
			if window := tc.model.ContextWindow; window > 0 {
				input = window
			}
			if want := (price.Usage{Input: input, Output: tc.wantOutput}); call.Bound != want {
				t.Errorf("bound: got %+v, want %+v", call.Bound, want)
			}
			list := tc.model.Prices[price.Default].Base
			perInput := max(list[price.Input], list[price.CachedInput]) / 1_000_000
			want := perInput*money.Nanos(input) + list[price.Output]/1_000_000*money.Nanos(tc.wantOutput)
			if call.Cost != want {
				t.Errorf("cost: got %s, want %s", call.Cost, want)
			}
		})
	}
}

func TestBoundRefuses(t *testing.T) {
	huge := mini
	huge.MaxOutputTokens = 10_000_000
	noPrices := mini
	noPrices.Prices = price.Book{price.Default: {Base: price.List{price.Input: money.USD}}}
	embedding := mini
	embedding.MaxOutputTokens = 0
	for name, tc := range map[string]struct {
		body  string
		model limiterv1.Model
		param string
	}{
		"more than the model gives":     {`{"model":"mini","messages":[],"max_tokens":4097}`, mini, "max_tokens"},
		"the same, by its newer name":   {`{"model":"mini","messages":[],"max_completion_tokens":4097}`, mini, "max_completion_tokens"},
		"more than money can be":        {`{"model":"mini","messages":[],"n":1,"max_tokens":10000000}`, priced(huge, price.Output, money.Max), ""},
		"output of a model without":     {`{"model":"mini","messages":[]}`, embedding, "model"},
		"output without a price":        {`{"model":"mini","messages":[]}`, noPrices, ""},
		"more tokens than can be count": {`{"model":"mini","messages":[],"n":128}`, huge, ""},
	} {
		t.Run(name, func(t *testing.T) {
			call, err := read(t, tc.body).For(tc.model, protocol.OutputLimits{})
			var wrong *protocol.RequestError
			if !errors.As(err, &wrong) || wrong.Param != tc.param {
				t.Errorf("got %+v, %v; want a RequestError of %q", call, err, tc.param)
			}
		})
	}
}

// dearer has prices for sound, for the tier flex, which is half as dear, and for
// priority, which is twice as dear.
var dearer = func() limiterv1.Model {
	list := price.List{
		price.Input: 10 * money.USD, price.CachedInput: money.USD, price.Output: 100 * money.USD,
		price.AudioInput: 1000 * money.USD, price.AudioOutput: 10_000 * money.USD,
	}
	half, twice := price.List{}, price.List{}
	for kind, p := range list {
		half[kind], twice[kind] = p/2, 2*p
	}
	m := mini
	m.ContextWindow = 1000
	m.Prices = price.Book{price.Default: {Base: list}, "flex": {Base: half}, "priority": {Base: twice}}
	return m
}()

// TestBoundOfTiersAndSound: a call is held for at the dearest tier in which it may
// be served, and where it may hear or be heard, as if all were sound.
func TestBoundOfTiersAndSound(t *testing.T) {
	const recording = `[{"content":[{"type":"input_audio"}]}]`
	for name, tc := range map[string]struct {
		members string
		model   limiterv1.Model
		want    func(length int64) money.Nanos // nil: refused
	}{
		"default":        {`"service_tier":"default","messages":[]`, dearer, func(n int64) money.Nanos { return money.Nanos(n*10_000 + 10*100_000) }},
		"none":           {`"messages":[]`, dearer, func(n int64) money.Nanos { return money.Nanos(n*20_000 + 10*200_000) }},
		"any":            {`"service_tier":"auto","messages":[]`, dearer, func(n int64) money.Nanos { return money.Nanos(n*20_000 + 10*200_000) }},
		"priority":       {`"service_tier":"priority","messages":[]`, dearer, func(n int64) money.Nanos { return money.Nanos(n*20_000 + 10*200_000) }},
		"flex":           {`"service_tier":"flex","messages":[]`, dearer, func(n int64) money.Nanos { return money.Nanos(n*10_000 + 10*100_000) }},
		"of no price":    {`"service_tier":"flex","messages":[]`, mini, nil},
		"heard":          {`"service_tier":"default","messages":` + recording, dearer, func(int64) money.Nanos { return 1000*1_000_000 + 10*100_000 }},
		"heard in vain":  {`"messages":` + recording, mini, nil},
		"spoken":         {`"service_tier":"default","modalities":["text","audio"],"audio":{},"messages":[]`, dearer, func(n int64) money.Nanos { return money.Nanos(n*10_000 + 10*10_000_000) }},
		"spoken in vain": {`"modalities":["text","audio"],"audio":{},"messages":[]`, mini, nil},
		"text alone":     {`"modalities":["text"],"messages":[]`, mini, func(n int64) money.Nanos { return money.Nanos(n*1000 + 10*1_000_000) }},
	} {
		t.Run(name, func(t *testing.T) {
			body := `{"model":"mini","max_tokens":10,` + tc.members + `}`
			call, err := read(t, body).For(tc.model, protocol.OutputLimits{})
			if tc.want == nil {
				var wrong *protocol.RequestError
				if !errors.As(err, &wrong) {
					t.Errorf("got %+v, %v; want it refused", call.Bound, err)
				}
				return
			}
			if want := tc.want(int64(len(body))); err != nil || call.Cost != want {
				t.Errorf("got %s, %v; want %s", call.Cost, err, want)
			}
		})
	}
}

// TestBoundOfWhatIsNotText: images by the formula of the model, and whatever has no
// formula by the context window, if that is known.
func TestBoundOfWhatIsNotText(t *testing.T) {
	const data = "data:image/png;base64,iVBORw0KGgo="
	image := func(url string) string { return `{"type":"image_url","image_url":{"url":"` + url + `"}}` }
	for name, tc := range map[string]struct {
		part     string
		upstream string
		window   int64
		want     int64 // beside the length of the body; -1: the window; -2: refused
	}{
		"an image by its URL":          {image("https://a.example/b.png"), "gpt-4o", 0, 85 + 8*170},
		"an image in the body":         {image(data), "gpt-4o", 0, 85 + 8*170 - int64(len(data)+2)},
		"of a model with a date":       {image(data), "gpt-4o-2024-08-06", 0, 85 + 8*170 - int64(len(data)+2)},
		"of a model at a gateway":      {image(data), "openai/gpt-4o-mini", 0, 2833 + 8*5667 - int64(len(data)+2)},
		"of a model that sees patches": {image(data), "gpt-4.1-mini", 0, 2489 - int64(len(data)+2)},
		"of a model that nobody knows": {image(data), "llava", 0, -2},
		"the same, with a window":      {image(data), "llava", 5000, -1},
		"more than the window":         {image(data), "gpt-4o", 500, -1},
		"a file":                       {`{"type":"file","file":{"file_id":"f"}}`, "gpt-4o", 0, -2},
		"a file, with a window":        {`{"type":"file","file":{"file_id":"f"}}`, "gpt-4o", 5000, -1},
		"text beyond the window":       {`{"type":"text","text":"` + strings.Repeat("x", 500) + `"}`, "gpt-4o", 100, -1},
	} {
		t.Run(name, func(t *testing.T) {
			model := mini
			model.UpstreamName, model.ContextWindow = tc.upstream, tc.window
			body := `{"model":"mini","max_tokens":1,"messages":[{"role":"user","content":[` + tc.part + `]}]}`
			call, err := read(t, body).For(model, protocol.OutputLimits{})
			switch tc.want {
			case -2:
				var wrong *protocol.RequestError
				if !errors.As(err, &wrong) || !wrong.Unsupported || !strings.Contains(err.Error(), "model mini has no contextWindow") {
					t.Errorf("got %+v, %v; want it refused for want of a window", call.Bound, err)
				}
				return
			case -1:
				tc.want = tc.window
			default:
				tc.want += int64(len(body))
			}
			if err != nil || call.Bound.Input != tc.want {
				t.Errorf("got %d tokens, %v; want %d", call.Bound.Input, err, tc.want)
			}
		})
	}
}

// TestImageOfAnUnlistedModel: the name that a caller gives is not that of a formula.
func TestImageOfAnUnlistedModel(t *testing.T) {
	const image = `{"type":"image_url","image_url":{"url":"https://a.example/b.png"}}`
	model := mini
	model.Name, model.UpstreamName, model.Unlisted = "gpt-4o", "gpt-4o", true
	request := read(t, `{"model":"gpt-4o","max_tokens":1,"messages":[{"role":"user","content":[`+image+`]}]}`)
	var wrong *protocol.RequestError
	if call, err := request.For(model, protocol.OutputLimits{}); !errors.As(err, &wrong) || !wrong.Unsupported {
		t.Errorf("got %+v, %v; want it refused for want of a window", call.Bound, err)
	}
	model.ContextWindow = 5000
	if call, err := request.For(model, protocol.OutputLimits{}); err != nil || call.Bound.Input != 5000 {
		t.Errorf("with a window: %d tokens, %v; want all of it", call.Bound.Input, err)
	}
}

// priced is the model with another price.
func priced(m limiterv1.Model, kind price.Kind, p price.PerMillion) limiterv1.Model {
	list := maps.Clone(m.Prices[price.Default].Base)
	list[kind] = p
	m.Prices = price.Book{price.Default: {Base: list}}
	return m
}

func TestUsageOfAWholeAnswer(t *testing.T) {
	type usage = price.Usage
	for name, tc := range map[string]struct {
		answer string
		want   usage
		wantOK bool
	}{
		"usage":               {`{"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30}}`, usage{Input: 10, Output: 20}, true},
		"cached input":        {`{"usage":{"prompt_tokens":10,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":4}}}`, usage{Input: 6, CachedInput: 4, Output: 20}, true},
		"all cached":          {`{"usage":{"prompt_tokens":10,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":10}}}`, usage{CachedInput: 10, Output: 20}, true},
		"details of null":     {`{"usage":{"prompt_tokens":10,"completion_tokens":20,"prompt_tokens_details":null}}`, usage{Input: 10, Output: 20}, true},
		"zero":                {`{"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":7}}`, usage{}, false},
		"thoughts on top":     {`{"usage":{"prompt_tokens":21,"completion_tokens":5,"total_tokens":86}}`, usage{Input: 21, Output: 65}, true},
		"none":                {`{"choices":[]}`, usage{}, false},
		"null":                {`{"usage":null}`, usage{}, false},
		"half of it":          {`{"usage":{"prompt_tokens":10}}`, usage{}, false},
		"the other half":      {`{"usage":{"completion_tokens":10}}`, usage{}, false},
		"negative":            {`{"usage":{"prompt_tokens":10,"completion_tokens":-1}}`, usage{}, false},
		"fractional":          {`{"usage":{"prompt_tokens":10.5,"completion_tokens":1}}`, usage{}, false},
		"absurd":              {`{"usage":{"prompt_tokens":10,"completion_tokens":1000000000000000}}`, usage{}, false},
		"beyond 64 bits":      {`{"usage":{"prompt_tokens":18446744073709551617,"completion_tokens":1}}`, usage{}, false},
		"as text":             {`{"usage":{"prompt_tokens":"10","completion_tokens":1}}`, usage{}, false},
		"more cached than in": {`{"usage":{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":11}}}`, usage{}, false},
		"sound and thoughts": {`{"usage":{"prompt_tokens":10,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":2,"audio_tokens":3},"completion_tokens_details":{"audio_tokens":4,"reasoning_tokens":5}}}`,
			usage{Input: 5, CachedInput: 2, AudioInput: 3, Output: 16, AudioOutput: 4, Reasoning: 5}, true},
		"served in a tier": {`{"service_tier":"flex","usage":{"prompt_tokens":10,"completion_tokens":20}}`, usage{Input: 10, Output: 20, ServiceTier: "flex"}, true},
		"served as any":    {`{"service_tier":"default","usage":{"prompt_tokens":10,"completion_tokens":20}}`, usage{Input: 10, Output: 20}, true},
		"usage twice":      {`{"usage":{"prompt_tokens":10,"completion_tokens":20},"usage":{"prompt_tokens":1,"completion_tokens":1}}`, usage{}, false},
		"negative cache":   {`{"usage":{"prompt_tokens":10,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":-1}}}`, usage{}, false},
		"absurd total":     {`{"usage":{"prompt_tokens":10,"completion_tokens":1,"total_tokens":9000000000000000000}}`, usage{}, false},
		"not JSON":         {`{"usage":{"prompt_tokens":10,"completion_tokens":20}`, usage{}, false},
		"compressed":       {"\x1f\x8b\x08\x00", usage{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			for size := 1; size <= len(tc.answer); size++ {
				answer := callFor(t, `{"model":"mini","messages":[]}`, dearer).Whole()
				var seen bytes.Buffer
				for chunk := range chunks([]byte(tc.answer), size) {
					seen.Write(answer.Pass(chunk))
				}
				seen.Write(answer.End(false))
				if seen.String() != tc.answer {
					t.Fatalf("the client sees %q, want %q", seen.String(), tc.answer)
				}
				if got, ok := answer.Usage(); got != tc.want || ok != tc.wantOK || answer.Unfinished() {
					t.Fatalf("got %+v, %t, unfinished %t; want %+v, %t", got, ok, answer.Unfinished(), tc.want, tc.wantOK)
				}
			}
		})
	}
}

func TestUsageOfACutAnswerIsNotBelieved(t *testing.T) {
	answer := callFor(t, `{"model":"mini","messages":[]}`, mini).Whole()
	answer.Pass([]byte(`{"usage":{"prompt_tokens":10,"completion_tokens":20}}`))
	answer.End(true)
	if usage, ok := answer.Usage(); ok || !answer.Unfinished() {
		t.Errorf("got %+v, %t, unfinished %t; want an unfinished answer without usage", usage, ok, answer.Unfinished())
	}
}

// chunks cuts b into pieces of a size.
func chunks(b []byte, size int) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(size, len(b))
			if !yield(bytes.Clone(b[:n])) {
				return
			}
			b = b[n:]
		}
	}
}

func ExampleUnpriced() {
	request, err := protocol.ChatCompletions{}.Read(protocol.Incoming{Body: []byte(`{"model":"mini","messages":[],"web_search_options":{}}`)})
	if err != nil {
		panic(err)
	}
	for _, unpriced := range request.Unpriced() {
		fmt.Println(unpriced.Field)
		fmt.Println(unpriced.Error())
	}
	// Output:
	// web_search_options
	// web_search_options is not supported: its searches are billed, but no answer of Chat Completions counts them: use the tool web_search of Responses.
}
