package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

// seenAPIs are APIs of which it can be told by the token what was seen of an answer: by the
// tokenizer of the model, or by what the provider reports in each chunk. The last is none
// of them: its output is bounded by its bytes.
var seenAPIs = []api{
	{name: "Chat Completions", path: "/v1/chat/completions", key: "Authorization", body: chatBody("gpt-4o", false)},
	{name: "Chat Completions with usage", path: "/v1/chat/completions", key: "Authorization", body: chatBody("gpt-4o", true)},
	{name: "Azure", path: "/openai/deployments/gpt-4o-mini/chat/completions?api-version=2024-10-21", key: "Api-Key", body: chatBody("", true)},
	{name: "Responses", path: "/v1/responses", key: "Authorization", body: func(prompt string, output int, stream bool) map[string]any {
		return map[string]any{"model": "gpt-4o", "input": prompt, "max_output_tokens": output, "stream": stream}
	}},
	apiNamed("Gemini"),
	apiNamed("Messages"),
	vercelAPI("/v4/ai", "4", "gpt-4o"),
}

// cutCall is a call that is cut off: by its client when so many frames have come, or, where
// that is 0, by the provider, as the directives say.
type cutCall struct {
	api        api
	directives string
	frames     int
}

// TestCutCallsCostWhatTheyCost: what calls of an ordinary length are charged that were cut
// off by the provider, or left by their client, is no less than the provider's bill for any
// of them, and hardly more in sum.
func TestCutCallsCostWhatTheyCost(t *testing.T) {
	t.Parallel()
	const output, atMost, atOnce = 64_000, 1.05, 12
	fake := fakeprovider.New(fakeprovider.Options{})
	var answering sync.WaitGroup
	d := newProtocolsDoor(t, func(w http.ResponseWriter, r *http.Request) {
		answering.Add(1)
		defer answering.Done()
		fake.ServeHTTP(w, r)
	})
	for _, route := range d.config.routes {
		route.Model.MaxOutputTokens = output
		// What a call costs at most depends on its tokens alone: no tier or property that nobody has named.
		route.Model.Prices = price.Book{price.Default: {Base: route.Model.Prices[price.Default].Base}}
		if p := route.Provider.Protocol; p == limiterv1.OpenAI || p == limiterv1.AzureOpenAI || p == limiterv1.VercelAIGateway {
			route.Model.Tokenizer = limiterv1.O200kBase
		}
	}
	var calls []cutCall
	for _, p := range seenAPIs {
		for cut := 1; cut < 2000; cut += 97 {
			calls = append(calls, cutCall{p, fmt.Sprintf("words output=2000 cut=%d", cut), 0})
		}
		for frames := 200; frames <= 600; frames += 100 {
			calls = append(calls, cutCall{p, "words output=10000 delay=4ms", frames})
		}
	}
	ids := make([]string, len(calls))
	var all sync.WaitGroup
	turns := make(chan struct{}, atOnce)
	for i, c := range calls {
		turns <- struct{}{}
		all.Go(func() {
			ids[i] = d.makeCut(c, output)
			<-turns
		})
	}
	all.Wait()
	d.server.Close() // nothing is asked of the provider any more
	answering.Wait()
	costs := map[string]*tally{}
	if t.Failed() {
		return // what was not made is not settled
	}
	for i, c := range calls {
		entry := d.entry(ids[i])
		billed := money.Nanos(billOf(t, fake, reply{header: http.Header{call.CallIDHeader: {ids[i]}}}).CostNanos)
		tallyOf(costs, c.api.name).add(entry.Cost, billed)
		if entry.Outcome != ledgerv1.ChargedSeen || entry.Cost < billed || entry.Cost > entry.Held/4 {
			t.Errorf("%s, %s, left after %d frames: %s at %s of %s, billed %s", c.api.name, c.directives, c.frames, entry.Outcome, entry.Cost, entry.Held, billed)
		}
	}
	sum := &tally{}
	for _, p := range seenAPIs {
		t.Logf("%s: %s", p.name, costs[p.name])
		if p.name != "Messages" {
			sum.add(costs[p.name].charged, costs[p.name].billed)
		}
	}
	t.Logf("in sum, without Messages: %s", sum)
	if sum.ratio() > atMost {
		t.Errorf("%s: want %g at the most", sum, atMost)
	}
}

// makeCut makes a call that is cut off.
func (d *door) makeCut(c cutCall, output int) (callID string) {
	ctx, hangUp := context.WithCancel(d.t.Context())
	defer hangUp()
	prompt := strings.Repeat("time ", 3000) + "[[" + c.directives + "]]"
	response, err := http.DefaultClient.Do(d.ask(ctx, c.api, prompt, output, true))
	if err != nil {
		d.t.Error(err)
		return ""
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		d.t.Errorf("%s, %s: status %d", c.api.name, c.directives, response.StatusCode)
		return ""
	}
	lines := bufio.NewScanner(response.Body)
	for frames := 0; lines.Scan() && (c.frames == 0 || frames < c.frames); {
		if strings.HasPrefix(lines.Text(), "data:") {
			frames++
		}
	}
	return response.Header.Get(call.CallIDHeader)
}
