package protocol_test

import (
	"bytes"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// maxi has a price for every kind of token, each a power of ten of nano-USD, so that
// each can be told from the sum.
var maxi = func() limiterv1.Model {
	list, p := price.List{}, money.Nanos(1_000_000)
	multipliers := []price.Multiplier{
		{Property: "inference_geo", Value: "us", Factor: price.One * 11 / 10}, {Property: "speed", Value: "fast", Factor: 6 * price.One},
	}
	fees := price.Fees{"web_search": money.Cent, "web_fetch": 0, "google_search": money.Cent}
	for _, kind := range price.Kinds() {
		list[kind] = p
		p *= 10
	}
	return limiterv1.Model{
		Name: "maxi", UpstreamName: "maxi-2026", MaxOutputTokens: 100,
		Prices: price.Book{price.Default: {Base: list, Multipliers: multipliers, Fees: fees}, "priority": {Base: list, Multipliers: multipliers, Fees: fees}},
	}
}()

// incoming is a request to maxi with everything that a protocol may want.
func incoming(body string) protocol.Incoming {
	header := vercelHeader("3", "maxi")
	return protocol.Incoming{Model: "maxi", Query: url.Values{"api-version": {"2024-10-21"}}, Header: header, Body: []byte(body)}
}

func streamed(in protocol.Incoming) protocol.Incoming {
	in.Query.Set("alt", "sse")
	in.Header.(protocol.Header).Set("Ai-Language-Model-Streaming", "true")
	return in
}

// refused is a request that is refused.
type refused struct {
	body, param string
	unsupported bool
	says        string
}

func checkRefused(t *testing.T, endpoint protocol.Endpoint, cases map[string]refused) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := refusal(endpoint, incoming(tc.body))
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

// refusal is why a request is refused, by a provider that passes nothing more; nil when it
// is not.
func refusal(endpoint protocol.Endpoint, in protocol.Incoming) error {
	request, err := endpoint.Read(in)
	if err != nil {
		return err
	}
	for _, unpriced := range request.Unpriced() {
		if unpriced.For(maxi) {
			return &unpriced.RequestError
		}
	}
	_, err = request.For(maxi, protocol.OutputLimits{})
	return err
}

// bounded is a request with what it becomes.
type bounded struct {
	body     string
	window   int64
	wantBody string // empty: the same
	want     price.Usage
}

// length stands in a bound for the length of the body.
const length = -1_000_000

func checkBounded(t *testing.T, endpoint protocol.Endpoint, path string, cases map[string]bounded) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			in := incoming(tc.body)
			if strings.Contains(path, "sse") {
				in = streamed(in)
			}
			request, err := endpoint.Read(in)
			if err != nil {
				t.Fatal(err)
			}
			if request.Model() != "maxi" || slices.ContainsFunc(request.Unpriced(), func(u protocol.Unpriced) bool { return u.For(maxi) }) {
				t.Errorf("model %q, unpriced: %+v", request.Model(), request.Unpriced())
			}
			model := maxi
			model.ContextWindow = tc.window
			call, err := request.For(model, protocol.OutputLimits{})
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []*int64{&tc.want.Input, &tc.want.CacheWrite5m, &tc.want.CacheWrite1h, &tc.want.AudioInput} {
				if *n < 0 {
					*n += int64(len(tc.body)) - length
				}
			}
			if tc.wantBody == "" {
				tc.wantBody = tc.body
			}
			if call.Path != path || string(call.Body()) != tc.wantBody {
				t.Errorf("asks %s\n got %s\nwant %s\n     %s", call.Path, call.Body(), path, tc.wantBody)
			}
			if call.Bound != tc.want {
				t.Errorf("bound\n got %+v\nwant %+v", call.Bound, tc.want)
			}
			if cost, err := model.Prices.Dearest(tc.want); err != nil || call.Cost != cost {
				t.Errorf("cost %s, want %s, %v", call.Cost, cost, err)
			}
		})
	}
}

// answered is an answer with the usage that is read of it.
type answered struct {
	answer     string
	cut        bool
	want       price.Usage
	wantOK     bool
	unfinished bool
}

// checkAnswered passes answers in pieces of every size. What the client sees is what
// was sent.
func checkAnswered(t *testing.T, endpoint protocol.Endpoint, body string, stream bool, cases map[string]answered) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			for size := 1; size <= len(tc.answer)+1; size++ {
				answer := answerOf(t, endpoint, body, stream)
				var seen bytes.Buffer
				for piece := range chunks([]byte(tc.answer), size) {
					seen.Write(answer.Pass(piece))
				}
				seen.Write(answer.End(tc.cut))
				if seen.String() != tc.answer {
					t.Fatalf("in pieces of %d bytes: the client sees %q", size, seen.String())
				}
				got, ok := answer.Usage()
				if got != tc.want || ok != tc.wantOK || answer.Unfinished() != tc.unfinished {
					t.Fatalf("in pieces of %d bytes:\n got %+v, %t, unfinished %t\nwant %+v, %t, %t",
						size, got, ok, answer.Unfinished(), tc.want, tc.wantOK, tc.unfinished)
				}
			}
		})
	}
}

func answerOf(tb testing.TB, endpoint protocol.Endpoint, body string, stream bool) protocol.Answer {
	tb.Helper()
	model := maxi
	model.ContextWindow = 100_000
	return answerBy(tb, model, endpoint, body, stream)
}

// answerBy is the same of a model.
func answerBy(tb testing.TB, model limiterv1.Model, endpoint protocol.Endpoint, body string, stream bool) protocol.Answer {
	tb.Helper()
	in := incoming(body)
	if stream {
		in = streamed(in)
	}
	request, err := endpoint.Read(in)
	if err != nil {
		tb.Fatal(err)
	}
	call, err := request.For(model, protocol.OutputLimits{})
	if err != nil {
		tb.Fatal(err)
	}
	if stream {
		return call.Stream()
	}
	return call.Whole()
}

var tokensUsed = regexp.MustCompile(`(?i)"[a-z_]*token[a-z_]*":\s*(\S+?)[,}]`)

// saysNothingWasUsed is whether an answer has counts of tokens, and all of them are 0. No
// reader believes that of a provider.
func saysNothingWasUsed(answer []byte) bool {
	counts := tokensUsed.FindAllSubmatch(answer, -1)
	return len(counts) > 0 && !slices.ContainsFunc(counts, func(count [][]byte) bool {
		return !bytes.HasPrefix(count[1], []byte("{")) && string(count[1]) != "0"
	})
}

// checkMessage: what reads the answers of providers finds in a message an answer that
// has an end, says the text and used nothing.
func checkMessage(t *testing.T, endpoint protocol.Endpoint, body string, stream bool) {
	t.Helper()
	in := incoming(body)
	if stream {
		in = streamed(in)
	}
	request, err := endpoint.Read(in)
	if err != nil {
		t.Fatal(err)
	}
	plain, ok := request.Message(protocol.Text{ID: "1", Content: `The "budget" is used up: ¡adiós!`})
	if !ok {
		t.Fatal("no message")
	}
	answer := answerOf(t, endpoint, body, stream)
	answer.Pass(plain.Body)
	answer.End(false)
	if usage, _ := answer.Usage(); answer.Unfinished() || usage != (price.Usage{}) {
		t.Errorf("unfinished %t, usage %+v in\n%s", answer.Unfinished(), usage, plain.Body)
	}
	if !saysNothingWasUsed(plain.Body) {
		t.Errorf("it does not say that nothing was used:\n%s", plain.Body)
	}
	if !bytes.Contains(plain.Body, []byte(`The \"budget\" is used up: ¡adiós!`)) {
		t.Errorf("the text is not in\n%s", plain.Body)
	}
	wantType := "application/json"
	if stream {
		wantType = "text/event-stream; charset=utf-8"
		for line := range strings.SplitSeq(string(plain.Body), "\n") {
			if data, ok := strings.CutPrefix(line, "data: "); ok && !gjson.Valid(data) {
				t.Errorf("not JSON: %s", data)
			}
		}
	} else if !gjson.ValidBytes(plain.Body) {
		t.Errorf("not JSON: %s", plain.Body)
	}
	if plain.ContentType != wantType {
		t.Errorf("a message of type %s, want %s", plain.ContentType, wantType)
	}
}
