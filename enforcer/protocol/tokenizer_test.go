package protocol_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/tiktoken-go/tokenizer/codec"
	"pgregory.net/rapid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

var codecs = map[limiterv1.Tokenizer]*codec.Codec{
	limiterv1.O200kBase: codec.NewO200kBase(), limiterv1.CL100kBase: codec.NewCl100kBase(),
}

func count(tb rapid.TB, by limiterv1.Tokenizer, text string) int64 {
	tb.Helper()
	n, err := codecs[by].Count(text)
	if err != nil {
		tb.Fatal(err)
	}
	return int64(n)
}

// text draws texts that are hard to cut: words, digits and white of all kinds, letters
// of many scripts, emoji, what looks like special tokens, and any UTF-8.
func text() *rapid.Generator[string] {
	piece := rapid.OneOf(
		rapid.StringMatching(`[a-zA-Z]{1,12}`), rapid.StringMatching(`[0-9]{1,7}`), rapid.StringMatching(`[ \t\n\r]{1,6}`),
		rapid.StringMatching(`[!-/:-@{-~]{1,5}`), rapid.StringMatching(`( [a-z]{1,9}){1,30}`), rapid.String(),
		rapid.SampledFrom([]string{
			" ", " ", "  ", "\n", " \n ", "'s", "'LL", "'ſ", "<|endoftext|>", " <|im_start|>user", "<|", "|>", "日本語", "。", "é", "e\u0301",
			"ß", "ʰ", "ǅ", "🤖", "👩‍👩‍👧", "\u00a0", "\u3000", "\u200b", "\u0085", "\u001c", "٣", "½", "नमस्ते", "\ufffd", "\u0000", "//\n\r/", "a b",
		}),
		rapid.Map(rapid.IntRange(1, 400), func(n int) string { return strings.Repeat("x\n", n) }),
	)
	return rapid.Map(rapid.SliceOfN(piece, 0, 30), func(pieces []string) string {
		return strings.ReplaceAll(strings.Join(pieces, ""), "\x7f", "") // which the library loses, so that it cannot be the judge
	})
}

// TestBoundTextBoundsInAnyContext: whatever stands around a text, those tokens that
// have a byte of it are no more than its bound.
func TestBoundTextBoundsInAnyContext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		around := rapid.OneOf(text(), rapid.StringMatching(`[a-z]{0,4}`)) // or the rest of a word
		tight := rapid.StringMatching(`[a-z]( [a-z]{1,10})+`)             // a text whose first word is one token
		before, in, after := around.Draw(t, "before"), rapid.OneOf(text(), tight).Draw(t, "in"), around.Draw(t, "after")
		for by, c := range codecs {
			_, tokens, err := c.Encode(before + in + after)
			if err != nil {
				t.Fatal(err)
			}
			var got int64
			at, end := 0, len(before)+len(in)
			for _, token := range tokens {
				if max(at, len(before)) < min(at+len(token), end) {
					got++
				}
				at += len(token)
			}
			if at != len(before+in+after) {
				t.Fatalf("%s: tokens of %d bytes, want %d", by, at, len(before+in+after))
			}
			if bound := protocol.BoundText(c, in); got > bound || bound > int64(len(in)) {
				t.Fatalf("%s: %d tokens in %q, bound %d, of %d bytes", by, got, in, bound, len(in))
			}
		}
	})
}

// TestBoundTextOfWords: the words in the midst of a text are bounded by their tokens,
// except those of which it is not certain how they are cut, or how fast.
func TestBoundTextOfWords(t *testing.T) {
	for name, tc := range map[string]struct {
		word string
		want int // 0: its bytes
	}{
		"a word":                   {" house", 1},
		"two":                      {" house house", 2},
		"white and a word":         {"    \t\n  house", 3},
		"letters of one script":    {" 日本語", 2},
		"a long word":              {" " + strings.Repeat("house", 51), 1 + 51 - 1},
		"a longer one":             {" " + strings.Repeat("house", 52), 0},
		"what looks special":       {" <|endoftext|>", 0},
		"what the library loses":   {" house\x7f", 0},
		"a long s":                 {" it'ſ", 0},
		"emoji that are joined":    {" 👩‍👩‍👧", 0},
		"what Unicode has not yet": {" \U000e0fff", 0},
		"half a surrogate pair":    {" house\ufffd", 0},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.want == 0 {
				tc.want = len(tc.word)
			}
			if got, want := protocol.BoundText(codecs[limiterv1.O200kBase], "a"+tc.word+" z"), int64(1+tc.want+2); got != want {
				t.Errorf("bound %d, want %d", got, want)
			}
		})
	}
}

// chatText is a message of the tests, with one text or several.
type chatText struct {
	role, name string
	parts      []string
	// asString is whether the content is a string instead of an array of parts.
	asString bool
}

func drawMessage(t *rapid.T) chatText {
	m := chatText{role: rapid.SampledFrom([]string{"system", "developer", "user", "assistant", "tool"}).Draw(t, "role")}
	if rapid.Bool().Draw(t, "named") {
		m.name = text().Draw(t, "name")
	}
	m.parts = rapid.SliceOfN(text(), 0, 4).Draw(t, "parts")
	m.asString = len(m.parts) == 1 && rapid.Bool().Draw(t, "as string")
	return m
}

// content is the content in JSON's terms; kind is the type of a part.
func (m chatText) content(kind string) any {
	if m.asString {
		return m.parts[0]
	}
	content := []any{}
	for _, part := range m.parts {
		content = append(content, map[string]any{"type": kind, "text": part})
	}
	return content
}

// rendered are the tokens of a message by the cookbook's template: three around it,
// one beside a name, and those of role, name and content, whose parts follow each
// other without, or with, something between them.
func (m chatText) rendered(tb rapid.TB, by limiterv1.Tokenizer, between string) int64 {
	tokens := 3 + count(tb, by, m.role) + count(tb, by, strings.Join(m.parts, between))
	if m.name != "" {
		tokens += 1 + count(tb, by, m.name)
	}
	return tokens
}

// primed are the tokens with which the template begins the answer.
const primed = 3

// asJSON writes JSON as clients do: the one escapes what is not ASCII, the other nothing.
func asJSON(t *rapid.T, v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if !rapid.Bool().Draw(t, "ascii") {
		return string(raw)
	}
	var ascii strings.Builder
	for _, r := range string(raw) {
		if r > 0xFFFF || r < 0x80 {
			ascii.WriteRune(r)
		} else {
			fmt.Fprintf(&ascii, `\u%04x`, r)
		}
	}
	return ascii.String()
}

// boundOf is the bound of the input of a request to maxi with a tokenizer.
func boundOf(tb rapid.TB, endpoint protocol.Endpoint, body string, by limiterv1.Tokenizer) int64 {
	tb.Helper()
	request, err := endpoint.Read(incoming(body))
	if err != nil {
		tb.Fatalf("%s: %v", body, err)
	}
	model := maxi
	model.Tokenizer = by
	call, err := request.For(model, protocol.OutputLimits{})
	if err != nil {
		tb.Fatalf("%s: %v", body, err)
	}
	return call.Bound.TotalInput()
}

// checkBound: the bound is no less than the tokens, and no more than the bytes.
func checkBound(t *rapid.T, endpoint protocol.Endpoint, body string, by limiterv1.Tokenizer, tokens int64) {
	if bound := boundOf(t, endpoint, body, by); bound < tokens || bound > int64(len(body)) {
		t.Fatalf("%s: %d tokens in %s, bound %d", by, tokens, body, bound)
	}
}

// TestTokenizedBoundsOfMessages: a bound by the tokenizer is no less than what the same
// tokenizer gives for the messages in the template that OpenAI has published.
func TestTokenizedBoundsOfMessages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		by := rapid.SampledFrom([]limiterv1.Tokenizer{limiterv1.O200kBase, limiterv1.CL100kBase}).Draw(t, "tokenizer")
		between := rapid.SampledFrom([]string{"", "\n", " "}).Draw(t, "between")
		var chat, items []any
		tokens := int64(primed)
		for range rapid.IntRange(1, 5).Draw(t, "messages") {
			m := drawMessage(t)
			tokens += m.rendered(t, by, between)
			message := map[string]any{"role": m.role, "content": m.content("text")}
			item := map[string]any{"type": "message", "role": m.role, "content": m.content("input_text")}
			if m.name != "" {
				message["name"], item["name"] = m.name, m.name
			}
			chat, items = append(chat, message), append(items, item)
		}
		checkBound(t, protocol.ChatCompletions{}, asJSON(t, map[string]any{"model": "maxi", "messages": chat}), by, tokens)
		checkBound(t, protocol.AzureChatCompletions{}, asJSON(t, map[string]any{"messages": chat}), by, tokens)
		checkBound(t, protocol.Responses{}, asJSON(t, map[string]any{"model": "maxi", "input": items}), by, tokens)
	})
}

// TestTokenizedBoundsOfTexts: the same of texts that stand outside of messages.
func TestTokenizedBoundsOfTexts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		by := rapid.SampledFrom([]limiterv1.Tokenizer{limiterv1.O200kBase, limiterv1.CL100kBase}).Draw(t, "tokenizer")
		one, several := text().Draw(t, "one"), rapid.SliceOfN(text(), 1, 5).Draw(t, "several")
		var tokens int64
		for _, s := range several {
			tokens += count(t, by, s)
		}
		checkBound(t, protocol.Embeddings{}, asJSON(t, map[string]any{"model": "maxi", "input": one}), by, count(t, by, one))
		checkBound(t, protocol.AzureEmbeddings{}, asJSON(t, map[string]any{"input": several}), by, tokens)
		instructions := chatText{role: "developer", parts: several[:1]}.rendered(t, by, "")
		input := chatText{role: "user", parts: []string{one}}.rendered(t, by, "")
		checkBound(t, protocol.Responses{}, asJSON(t, map[string]any{"model": "maxi", "instructions": several[0], "input": one}),
			by, instructions+input+primed)
	})
}

// cookbook are the messages for which OpenAI's cookbook shows the API's own count.
const cookbook = `{"model":"maxi","messages":[
	{"role":"system","content":"You are a helpful, pattern-following assistant that translates corporate jargon into plain English."},
	{"role":"system","name":"example_user","content":"New synergies will help drive top-line growth."},
	{"role":"system","name":"example_assistant","content":"Things working well together will increase revenue."},
	{"role":"system","name":"example_user","content":"Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage."},
	{"role":"system","name":"example_assistant","content":"Let's talk later when we're less busy about how to do better."},
	{"role":"user","content":"This late pivot means we don't have time to boil the ocean for the client deliverable."}]}`

// TestTokenizersCountAsOpenAI: with the template of the tests, the tokenizers give what
// OpenAI's API has billed for the messages of its cookbook.
func TestTokenizersCountAsOpenAI(t *testing.T) {
	var body struct {
		Messages []struct{ Role, Name, Content string }
	}
	if err := json.Unmarshal([]byte(cookbook), &body); err != nil {
		t.Fatal(err)
	}
	for by, billed := range map[limiterv1.Tokenizer]int64{limiterv1.CL100kBase: 129, limiterv1.O200kBase: 124} {
		tokens := int64(primed)
		for _, m := range body.Messages {
			tokens += chatText{role: m.Role, name: m.Name, parts: []string{m.Content}}.rendered(t, by, "")
		}
		if tokens != billed {
			t.Errorf("%s: %d tokens, billed were %d", by, tokens, billed)
		}
		if bound := boundOf(t, protocol.ChatCompletions{}, cookbook, by); bound < billed || bound >= int64(len(cookbook)) {
			t.Errorf("%s: bound %d of %d tokens in %d bytes", by, bound, billed, len(cookbook))
		}
	}
}

// TestTokenizedBounds: what a bound by the tokenizer is, and of what it is none.
func TestTokenizedBounds(t *testing.T) {
	words := strings.Repeat(" word", 1000)     // of which the first has nothing before it, and the last no end
	const fewer = 5000 + 2 - 998 - 2*5 - 64    // bytes and quotes; less a token a word, two words' bytes and the margin
	const named = int64(len(`"model":"maxi"`)) // which the model does not read
	escaped := strings.Repeat(`\u0020w\u006frd`, 1000)
	chat := func(role, content string) string {
		return `{"model":"maxi","messages":[{"role":"` + role + `","content":` + content + `}]}`
	}
	for name, tc := range map[string]struct {
		endpoint  protocol.Endpoint
		body      string
		tokenizer limiterv1.Tokenizer
		want      int64 // how many tokens fewer than bytes
	}{
		"no tokenizer":              {protocol.ChatCompletions{}, chat("user", `"`+words+`"`), "", 0},
		"one that nobody knows":     {protocol.ChatCompletions{}, chat("user", `"`+words+`"`), "p50k_base", 0},
		"a message":                 {protocol.ChatCompletions{}, chat("user", `"`+words+`"`), limiterv1.O200kBase, fewer + named},
		"by the other tokenizer":    {protocol.ChatCompletions{}, chat("system", `"`+words+`"`), limiterv1.CL100kBase, fewer + named},
		"escapes":                   {protocol.ChatCompletions{}, chat("user", `"`+escaped+`"`), limiterv1.O200kBase, fewer + named + 10_000},
		"a part":                    {protocol.ChatCompletions{}, chat("assistant", `[{"type":"text","text":"`+words+`"}]`), limiterv1.O200kBase, fewer + named},
		"a tool's answer":           {protocol.ChatCompletions{}, chat("tool", `"`+words+`"`), limiterv1.O200kBase, 0},
		"a part of a tool's answer": {protocol.ChatCompletions{}, chat("tool", `[{"type":"text","text":"`+words+`"}]`), limiterv1.O200kBase, 0},
		"a tool":                    {protocol.ChatCompletions{}, `{"model":"maxi","messages":[],"tools":[{"type":"function","function":{"description":"` + words + `"}}]}`, limiterv1.O200kBase, 0},
		"little text":               {protocol.ChatCompletions{}, chat("user", `"one two three"`), limiterv1.O200kBase, 0},
		"half a surrogate pair":     {protocol.ChatCompletions{}, chat("user", `"\ud800`+words+`"`), limiterv1.O200kBase, 0},
		"too much text":             {protocol.ChatCompletions{}, chat("user", `"`+strings.Repeat(words, 14)+`"`), limiterv1.O200kBase, 0},
		"text beside too much":      {protocol.Embeddings{}, `{"model":"maxi","input":["` + strings.Repeat(words, 14) + `","` + words + `"]}`, limiterv1.CL100kBase, fewer},
		"how it is called": {protocol.ChatCompletions{}, `{"model":"maxi","n":1,"stream":true,"stream_options":{},"max_tokens":7,"max_completion_tokens":7,"service_tier":"auto","messages":[{"role":"user","content":"` + words + `"}]}`,
			limiterv1.O200kBase, fewer + named + int64(len(`"n":1"stream":true"stream_options":{}"max_tokens":7"max_completion_tokens":7"service_tier":"auto"`))},
		"an input":                   {protocol.Responses{}, `{"model":"maxi","input":"` + words + `"}`, limiterv1.O200kBase, fewer + named},
		"instructions":               {protocol.Responses{}, `{"model":"maxi","instructions":"` + words + `"}`, limiterv1.O200kBase, fewer + named},
		"an item":                    {protocol.Responses{}, `{"model":"maxi","input":[{"role":"user","content":"` + words + `"}]}`, limiterv1.O200kBase, fewer + named},
		"a part of an item":          {protocol.Responses{}, `{"model":"maxi","input":[{"role":"user","content":[{"type":"input_text","text":"` + words + `"}]}]}`, limiterv1.O200kBase, fewer + named},
		"what a function has given":  {protocol.Responses{}, `{"model":"maxi","input":[{"type":"function_call_output","role":"user","output":"` + words + `"}]}`, limiterv1.O200kBase, 0},
		"a text":                     {protocol.Embeddings{}, `{"model":"maxi","input":"` + words + `"}`, limiterv1.CL100kBase, fewer},
		"a text at Azure":            {protocol.AzureEmbeddings{}, `{"input":["` + words + `"]}`, limiterv1.CL100kBase, fewer},
		"a message of Anthropic's":   {protocol.Messages{}, `{"model":"maxi","max_tokens":7,"messages":[{"role":"user","content":"` + words + `"}]}`, limiterv1.O200kBase, 0},
		"a text beside what is none": {protocol.ChatCompletions{}, chat("user", `[{"type":"text","text":"`+words+`"},{"type":"text","text":1}]`), limiterv1.O200kBase, fewer + named},
	} {
		t.Run(name, func(t *testing.T) {
			if got := boundOf(t, tc.endpoint, tc.body, "") - boundOf(t, tc.endpoint, tc.body, tc.tokenizer); got != tc.want {
				t.Errorf("%d tokens fewer than bytes, want %d", got, tc.want)
			}
		})
	}
}

// BenchmarkBound measures what the bound of a request takes, with its tokenizer and
// without, at the worst and for prose.
func BenchmarkBound(b *testing.B) {
	const prose = "The team's budget for 2026 is 12,500 dollars; it isn't spent yet, is it? "
	for name, unit := range map[string]string{"prose": prose, "newlines": "x" + strings.Repeat(" \n\t", 80) + "x "} {
		for _, size := range []int{1 << 10, 16 << 10, 64<<10 - 1} {
			prompt := strings.Repeat(unit, size/len(unit)+1)[:size]
			content, err := json.Marshal(prompt)
			if err != nil {
				b.Fatal(err)
			}
			body := `{"model":"maxi","messages":[{"role":"user","content":` + string(content) + `}]}`
			for _, by := range []limiterv1.Tokenizer{"", limiterv1.O200kBase, limiterv1.CL100kBase} {
				b.Run(fmt.Sprintf("%s/%d/tokenizer=%s", name, size, by), func(b *testing.B) {
					tokens := boundOf(b, protocol.ChatCompletions{}, body, by)
					b.ReportAllocs()
					for b.Loop() {
						boundOf(b, protocol.ChatCompletions{}, body, by)
					}
					b.ReportMetric(float64(tokens), "bound")
					if by != "" {
						b.ReportMetric(float64(count(b, by, prompt)), "tokens")
					}
				})
			}
		}
	}
}
