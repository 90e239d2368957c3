package fakeprovider_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

// TestOutput: how many tokens a call gets, and that the answer, its usage and
// the bill agree on it.
func TestOutput(t *testing.T) {
	for name, tc := range map[string]struct {
		prompt     string
		change     map[string]any
		wantChoice int // tokens of each choice
		wantTotal  int64
		wantReason string
	}{
		"no bound":                  {"hi", nil, 16, 16, "stop"},
		"small bound":               {"hi", map[string]any{"max_tokens": 3}, 3, 3, "length"},
		"large bound":               {"hi", map[string]any{"max_tokens": 1000}, 16, 16, "stop"},
		"newer name wins":           {"hi", map[string]any{"max_tokens": 3, "max_completion_tokens": 5}, 5, 5, "length"},
		"choices":                   {"hi", map[string]any{"max_tokens": 3, "n": 4}, 3, 12, "length"},
		"asked for":                 {"hi [[output=120]]", nil, 120, 120, "stop"},
		"asked for nothing":         {"hi [[output=0]]", nil, 0, 0, "stop"},
		"asked for beyond bound":    {"hi [[output=120]]", map[string]any{"max_tokens": 100}, 100, 100, "length"},
		"overrun":                   {"[[overrun=7]]", map[string]any{"max_tokens": 3}, 10, 10, "length"},
		"asked for in content part": {"", map[string]any{"messages": []any{map[string]any{"role": "user", "content": []any{map[string]any{"type": "text", "text": "[[output=9]]"}}}}}, 9, 9, "stop"},
		"only last user message": {"", map[string]any{"messages": []any{
			map[string]any{"role": "user", "content": "[[output=9]]"},
			map[string]any{"role": "user", "content": "[[output=2]]"},
			map[string]any{"role": "assistant", "content": "[[output=5]]"},
		}}, 2, 2, "stop"},
		"penny": {"hi", map[string]any{"model": "penny"}, 1, 1, "stop"},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, fakeprovider.Options{})
			status, raw, err := ask(t, server, request(tc.prompt, tc.change))
			if status != http.StatusOK || err != nil {
				t.Fatalf("%d %s %v", status, raw, err)
			}
			got := decode(t, raw)
			for _, choice := range got.Choices {
				if tokens := len(strings.Fields(choice.Message.Content)); tokens != tc.wantChoice {
					t.Errorf("choice %d has %d tokens, want %d", choice.Index, tokens, tc.wantChoice)
				}
				if *choice.FinishReason != tc.wantReason {
					t.Errorf("finish_reason %q, want %q", *choice.FinishReason, tc.wantReason)
				}
			}
			if want := fmt.Sprint(tc.wantTotal); got.Usage.CompletionTokens.String() != want {
				t.Errorf("completion_tokens %s, want %s", got.Usage.CompletionTokens, want)
			}
			call := onlyCall(t, server)
			if call.OutputTokens != tc.wantTotal || !call.Complete {
				t.Errorf("billed %+v, want %d output tokens, complete", call, tc.wantTotal)
			}
			if in := fmt.Sprint(call.InputTokens); in != got.Usage.PromptTokens.String() {
				t.Errorf("billed %s input tokens, reported %s", in, got.Usage.PromptTokens)
			}
		})
	}
}

// TestBill compares the bill with sums done by hand.
func TestBill(t *testing.T) {
	server := start(t, fakeprovider.Options{})
	// 3 words and 4 for the message are 7 input tokens.
	for _, call := range []struct {
		id   string
		body map[string]any
		want int64 // nano-USD
	}{
		// 7 x 2500 + 10 x 10000
		{"a", request("one two [[output=10]]", map[string]any{"user": "gerente-1"}), 117_500},
		// 7 x 150 + 10 x 600
		{"b", request("one two [[output=10]]", map[string]any{"model": "gpt-4o-mini"}), 7_050},
		// 4 words: (8-5) x 2500 + 5 x 1250 + 1 x 10000
		{"c", request("one two [[cached=5 output=1]]", nil), 23_750},
		// one cent
		{"d", request("one two", map[string]any{"model": "penny", "stream": true}), 10_000_000},
	} {
		response, err := post(t.Context(), server, call.body, http.Header{"X-Request-Id": {call.id}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		bill := server.Bill()
		last := bill.Calls[len(bill.Calls)-1]
		if last.ID != call.id || last.CostNanos != call.want {
			t.Errorf("call %s costs %d, want %s and %d: %+v", last.ID, last.CostNanos, call.id, call.want, last)
		}
	}

	response, err := http.Get(server.URL + "/bill")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var bill fakeprovider.Bill
	if err := json.NewDecoder(response.Body).Decode(&bill); err != nil {
		t.Fatal(err)
	}
	if bill.TotalNanos != 10_148_300 || bill.Total != "0.010148300" || len(bill.Calls) != 4 {
		t.Errorf("the bill is %+v, want 0.010148300 for 4 calls", bill)
	}
	if bill.Calls[0].User != "gerente-1" || !bill.Calls[3].Stream || bill.Calls[1].Model != "gpt-4o-mini" {
		t.Errorf("the bill does not say whose calls, which model, or how: %+v", bill.Calls)
	}

	reset, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, server.URL+"/bill", nil)
	if err != nil {
		t.Fatal(err)
	}
	deleted, err := http.DefaultClient.Do(reset)
	if err != nil {
		t.Fatal(err)
	}
	_ = deleted.Body.Close()
	if bill := server.Bill(); bill.TotalNanos != 0 || len(bill.Calls) != 0 {
		t.Errorf("after DELETE the bill is %+v", bill)
	}
}

// TestUsageKinds: what is reported may be wrong, what is billed is not.
func TestUsageKinds(t *testing.T) {
	for kind, want := range map[string]string{
		"zero": "0", "negative": "-16", "huge": "1000000000000000", "fractional": "1.5",
	} {
		t.Run(kind, func(t *testing.T) {
			server := start(t, fakeprovider.Options{})
			_, raw, _ := ask(t, server, request("[[usage="+kind+"]]", nil))
			if got := decode(t, raw).Usage; got == nil || got.CompletionTokens.String() != want {
				t.Errorf("usage in %s, want completion_tokens %s", raw, want)
			}
			if call := onlyCall(t, server); call.OutputTokens != 16 {
				t.Errorf("billed %+v, want 16 output tokens", call)
			}
		})
	}
	for _, stream := range []bool{false, true} {
		t.Run(fmt.Sprintf("none, stream %v", stream), func(t *testing.T) {
			server := start(t, fakeprovider.Options{})
			_, raw, _ := ask(t, server, request("[[usage=none]]", map[string]any{
				"stream": stream, "stream_options": map[string]any{"include_usage": true},
			}))
			if strings.Contains(string(raw), "prompt_tokens") {
				t.Errorf("usage in %s", raw)
			}
		})
	}
}

// TestInputTokens: input is deterministic and never above the body's bytes.
func TestInputTokens(t *testing.T) {
	server := start(t, fakeprovider.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.StringMatching(`[a-zß ]{0,60}`)
		messages := make([]any, rapid.IntRange(1, 5).Draw(rt, "messages"))
		want := 0
		for i := range messages {
			content := text.Draw(rt, "content")
			messages[i] = map[string]any{"role": "system", "content": content}
			want += 4 + len(strings.Fields(content))
		}
		body := request("", map[string]any{"messages": messages})
		raw, err := json.Marshal(body)
		if err != nil {
			rt.Fatal(err)
		}
		server.ResetBill()
		_, _, _ = ask(t, server, body)
		got := onlyCall(t, server).InputTokens
		if got != int64(want) || got > int64(len(raw)) {
			rt.Errorf("%d input tokens of %d bytes, want %d", got, len(raw), want)
		}
	})
}
