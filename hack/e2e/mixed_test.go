package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

// mixedProviders are ModelProviders of every protocol, all at the fake.
const mixedProviders = `
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: mixed-openai}
spec:
  endpoint: %[1]s/v1
  credentialFile: openai
  models:
  - {name: mixed-gpt-4o, upstreamName: gpt-4o, tokenizer: o200k_base, maxOutputTokens: 4000, prices: {input: "2.50", cachedInput: "1.25", output: "10"}}
  - {name: gpt-5, contextWindow: 4000, maxOutputTokens: 4000, prices: {input: "1.25", cachedInput: "0.125", output: "10"}}
  - {name: text-embedding-3-small, prices: {input: "0.02"}}
---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: mixed-azure}
spec:
  protocol: AzureOpenAI
  endpoint: %[1]s/openai
  credentialFile: openai
  models:
  - {name: my-deployment, upstreamName: gpt-4o-mini, tokenizer: o200k_base, maxOutputTokens: 4000, prices: {input: "0.15", cachedInput: "0.075", output: "0.60"}}
---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: mixed-anthropic}
spec:
  protocol: Anthropic
  endpoint: %[1]s/v1
  credentialFile: openai
  models:
  - name: claude-sonnet-4-5
    contextWindow: 4000
    maxOutputTokens: 4000
    prices:
      input: "3"
      cachedInput: "0.30"
      cacheWrite5m: "3.75"
      cacheWrite1h: "6"
      output: "15"
      multipliers: [{property: inference_geo, value: us, factor: "1.1"}, {property: speed, value: fast, factor: "6"}]
      fees: [{name: web_search, amount: "0.01", usesPerCall: 2}]
---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: mixed-gemini}
spec:
  protocol: Gemini
  endpoint: %[1]s/v1beta
  credentialFile: openai
  models:
  - {name: gemini-2.5-flash, maxOutputTokens: 4000, prices: {input: "0.30", cachedInput: "0.03", output: "2.50"}}
---
apiVersion: bursar.dev/v1alpha1
kind: ModelProvider
metadata: {name: mixed-vercel}
spec:
  protocol: VercelAIGateway
  endpoint: %[1]s
  credentialFile: openai
  costReported: true
  models:
  - name: mixed/claude-sonnet-4-5
    maxOutputTokens: 4000
    prices: {input: "3", cachedInput: "0.30", cacheWrite5m: "3.75", output: "15", fees: [{name: web_search, amount: "0.01", usesPerCall: 2}]}
  - {name: mixed/gpt-4o, tokenizer: o200k_base, maxOutputTokens: 4000, prices: {input: "2.50", cachedInput: "1.25", output: "10.00"}}
`

// mixedCall is a call of one of the protocols.
type mixedCall struct {
	path, keyField, directives string
	header                     map[string]string
	body                       map[string]any
	// cut is who ends the call before its end, if anybody.
	cut cutBy
	// counted is whether it can be told by the token what was seen of the answer, and input and
	// output are then the model's prices, in nano-dollars a token.
	counted       bool
	input, output int64
	// id is the call's, once it was made.
	id string
}

type cutBy string

const (
	byNobody   cutBy = "nobody"
	byProvider cutBy = "the provider"
	byClient   cutBy = "the client"
)

// newMixedCall is a random call: a third of all are cut at a random frame. Those have an
// ordinary length, so that what is charged for them can be compared with the bill.
func newMixedCall(random *rand.Rand) mixedCall {
	c := mixedCall{cut: byNobody, directives: fmt.Sprintf("output=%d cached=%d", 1+random.IntN(20), random.IntN(5))}
	text, model, thoughts := "one two three four", "gpt-5", " thoughts=2"
	switch random.IntN(5) {
	case 0:
		c.cut = byProvider
		c.directives = fmt.Sprintf("words output=800 cut=%d", 1+random.IntN(800))
	case 1:
		c.cut = byClient
		c.directives = "words output=800 delay=8ms" // as fast as a model
	}
	stream := c.cut == byClient || random.IntN(3) > 0
	output := 20 + random.IntN(100)
	if c.cut != byNobody { // a model that does not think, as that could not be seen
		text, model, thoughts, output = strings.Repeat("time ", 1000+random.IntN(2000)), "mixed-gpt-4o", "", 1000+random.IntN(3000)
	}
	c.counted = stream
	prompt := func(more string) string { return text + " [[" + c.directives + more + "]]" }
	user := func(text string) []any { return []any{map[string]any{"role": "user", "content": text}} }
	switch random.IntN(7) {
	case 0:
		c.path, c.keyField, c.input, c.output = "/v1/chat/completions", "Authorization", 2500, 10_000
		c.body = map[string]any{"model": model, "messages": user(prompt(thoughts)), "max_completion_tokens": output, "stream": stream}
	case 1:
		c.path, c.keyField = "/openai/deployments/my-deployment/chat/completions?api-version=2024-10-21", "Api-Key"
		c.input, c.output = 150, 600
		c.body = map[string]any{"messages": user(prompt("")), "max_tokens": output, "stream": stream, "n": 2}
	case 2:
		c.path, c.keyField, c.input, c.output = "/v1/responses", "Authorization", 2500, 10_000
		c.body = map[string]any{"model": model, "input": prompt(" crlf"), "max_output_tokens": output, "stream": stream}
		if c.cut == byNobody && random.IntN(4) == 0 {
			c.path = "/v1/responses/compact"
			c.body = map[string]any{"model": model, "input": prompt(""), "tools": []any{map[string]any{"type": "web_search"}}}
		}
	case 3:
		c.path, c.keyField, c.counted = "/v1/messages", "X-Api-Key", false
		more := []string{" write=2 write1h=1", " write1h=3 unsplit", " geo=us", " geo=us speed=fast", " searches=2", " noend"}[random.IntN(6)]
		block := map[string]any{"type": "text", "text": prompt(more), "cache_control": map[string]any{"type": "ephemeral", "ttl": "1h"}}
		search := map[string]any{"type": "web_search_20250305", "name": "web_search"}
		if random.IntN(2) > 0 {
			search["max_uses"] = 2 // else the fee says so
		}
		c.body = map[string]any{
			"model": "claude-sonnet-4-5", "messages": []any{map[string]any{"role": "user", "content": []any{block}}}, "max_tokens": output, "stream": stream,
			"tools": []any{search},
		}
	case 4:
		c.path, c.keyField, c.input, c.output = "/v1beta/models/gemini-2.5-flash:generateContent", "X-Goog-Api-Key", 300, 2500
		if stream {
			c.path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
		}
		c.body = map[string]any{
			"contents":         []any{map[string]any{"role": "user", "parts": []any{map[string]any{"text": prompt([]string{" thoughts=3", " thoughts=3 noend"}[random.IntN(2)])}}}},
			"generationConfig": map[string]any{"maxOutputTokens": output},
		}
	case 5:
		c.throughVercel(random, prompt, output, stream)
	default:
		c.path, c.keyField, c.cut = "/v1/embeddings", "Authorization", byNobody
		c.body = map[string]any{"model": "text-embedding-3-small", "input": []any{"one two", "three"}}
	}
	return c
}

// throughVercel makes it a call of the AI SDK through Vercel AI Gateway, in one of its versions. The
// gateway reports what the call costs, with what is billed beside tokens.
func (c *mixedCall) throughVercel(random *rand.Rand, prompt func(string) string, output int, stream bool) {
	model, more := "mixed/gpt-4o", ""
	if c.input, c.output = 2500, 10_000; c.cut == byNobody {
		model, more = "mixed/claude-sonnet-4-5", []string{"", " write=2", " searches=2", " searches=1 write=1"}[random.IntN(4)]
	}
	version := []string{"1", "3", "4"}[random.IntN(3)]
	specification := map[string]string{"1": "2", "3": "3", "4": "4"}[version]
	c.path, c.keyField, c.counted = "/v"+version+"/ai/language-model", "Authorization", stream
	c.header = map[string]string{
		"ai-language-model-id": model, "ai-language-model-specification-version": specification, "ai-language-model-streaming": strconv.FormatBool(stream),
	}
	text := []any{map[string]any{"type": "text", "text": prompt(more)}}
	c.body = map[string]any{"prompt": []any{map[string]any{"role": "user", "content": text}}, "maxOutputTokens": output}
}

// make makes the call, and leaves after some frames if it is to.
func (c *mixedCall) make(ctx context.Context, random *rand.Rand, enforcer string) error {
	body, err := json.Marshal(c.body)
	if err != nil {
		return err
	}
	ctx, hangUp := context.WithCancel(ctx)
	defer hangUp()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, enforcer+c.path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	key := keyOf("mixed")
	if c.keyField == "Authorization" {
		key = "Bearer " + key
	}
	r.Header.Set(c.keyField, key)
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	c.id = response.Header.Get("X-Bursar-Call-Id")
	if c.cut == byClient {
		_, _ = io.ReadFull(response.Body, make([]byte, 1000+random.IntN(100_000)))
		return nil
	}
	answer, err := io.ReadAll(response.Body)
	if c.cut == byNobody && (err != nil || response.StatusCode != http.StatusOK) {
		return fmt.Errorf("%s: status %d, %w: %s", c.path, response.StatusCode, err, answer)
	}
	return nil
}

// inLedger is a call as the ledger has it.
type inLedger struct {
	rows       int
	outcome    string
	cost, held int64
}

// TestMixedCalls: calls of every protocol through two enforcers, a third of them cut,
// are in the ledger once each: to the nano-dollar of the provider's bill if they came
// to their end, and between the bill and the hold otherwise; in sum hardly above the bill
// where what was seen can be counted by the token. BURSAR_MIXED says how many.
//
// What is charged beside what was seen is about the same for every call, so how much it is of
// the bill depends on how long the calls are: among many, 5 % at the most.
func TestMixedCalls(t *testing.T) {
	calls, err := strconv.Atoi(cmp.Or(os.Getenv("BURSAR_MIXED"), "300"))
	if err != nil {
		t.Fatal(err)
	}
	if err := bursar.Apply(t.Context(), fmt.Sprintf(mixedProviders, bursar.ProviderURL)+tenantYAML("mixed", "1000000")); err != nil {
		t.Fatal(err)
	}
	programmed(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	made := make([]mixedCall, calls)
	const workers = 32 // most of which wait for a word
	var all sync.WaitGroup
	for w := range workers {
		random := rand.New(rand.NewPCG(seed, uint64(w)))
		all.Go(func() {
			for i := w; i < calls; i += workers {
				made[i] = newMixedCall(random)
				if err := made[i].make(t.Context(), random, bursar.EnforcerURLs[i%len(bursar.EnforcerURLs)]); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var ledger map[string]inLedger
	eventually(t, "the ledger has every call", func() bool {
		ledger = ledgerByCall(t, "mixed")
		return len(ledger) >= calls
	})
	compareMixed(t, made, ledger)
}

// ledgerByCall is what the ledger has of the tenant, by call.
func ledgerByCall(t *testing.T, tenant string) map[string]inLedger {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), `select call_id, outcome, cost_nanos, held_nanos from ai_usage_logs where tenant_id = $1`, tenant)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]inLedger{}
	for rows.Next() {
		var id string
		var row inLedger
		if err := rows.Scan(&id, &row.outcome, &row.cost, &row.held); err != nil {
			t.Fatal(err)
		}
		row.rows = found[id].rows + 1
		found[id] = row
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return found
}

// providerBill is the provider's bill, by call.
func providerBill(t *testing.T) map[string]int64 {
	t.Helper()
	response, err := http.Get(bursar.ProviderURL + "/bill")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var bill fakeprovider.Bill
	if err := json.NewDecoder(response.Body).Decode(&bill); err != nil {
		t.Fatal(err)
	}
	costs := map[string]int64{}
	for _, call := range bill.Calls {
		costs[call.ID] = call.CostNanos
	}
	return costs
}

// What a call of these is charged beside what was seen, in tokens: for the input, the JSON
// around its text (60 bytes) and a margin of 64 for the template; for the output, the end of
// the message, a token that was on its way, and what a model generates at twice this pace
// (125 words a second) in the tenth of a second in which it may not know that the client is gone.
const unseenInput, unseenOutput = 128, 2 + 1 + 25

func compareMixed(t *testing.T, made []mixedCall, ledger map[string]inLedger) {
	t.Helper()
	bill := providerBill(t)
	var lost, double, off, outside, seen int
	var charged, owed, unseen int64
	cut := map[cutBy]int{}
	exact := map[cutBy]int{}
	for _, call := range made {
		row, billed := ledger[call.id], bill[call.id]
		cut[call.cut]++
		if row.cost == billed {
			exact[call.cut]++
		}
		if call.counted && row.outcome == "ChargedSeen" {
			seen, charged, owed = seen+1, charged+row.cost, owed+billed
			unseen += call.input*unseenInput + call.output*unseenOutput
		}
		switch {
		case row.rows == 0:
			lost++
		case row.rows > 1:
			double++
		case call.cut == byNobody && row.cost != billed:
			off++
		case call.cut != byNobody && (row.cost < billed || row.cost > row.held):
			outside++
		default:
			continue
		}
		t.Errorf("%s, cut by %s: ledger %+v, bill %d", call.path, call.cut, row, billed)
	}
	t.Logf("%d calls, cut by %v, of which exactly the bill: %v; %d lost, %d double, %d off, %d cut ones outside bill and hold",
		len(made), cut, exact, lost, double, off, outside)
	ratio := float64(charged) / float64(owed)
	t.Logf("%d were charged by what was seen that can be counted by the token: %d nano-dollars for a bill of %d, %.3f times as much", seen, charged, owed, ratio)
	if seen == 0 || charged-owed > unseen {
		t.Errorf("beside what was seen, %d nano-dollars were charged, want at most %d", charged-owed, unseen)
	}
	if seen >= 500 && ratio > 1.05 {
		t.Errorf("what was seen is %.3f times the bill, want 1.05 at the most", ratio)
	}
	if len(ledger) != len(made) {
		t.Errorf("the ledger has %d calls, want %d", len(ledger), len(made))
	}
}
