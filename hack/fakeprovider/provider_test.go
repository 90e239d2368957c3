package fakeprovider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

func start(t *testing.T, opts fakeprovider.Options) *fakeprovider.Server {
	t.Helper()
	server, err := fakeprovider.Start("127.0.0.1:0", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop() })
	return server
}

// request is a chat completion request as a client makes it.
func request(prompt string, change map[string]any) map[string]any {
	body := map[string]any{
		"model":    "gpt-4o",
		"messages": []any{map[string]any{"role": "user", "content": prompt}},
	}
	for name, value := range change {
		body[name] = value
	}
	return body
}

func post(ctx context.Context, server *fakeprovider.Server, body any, header http.Header) (*http.Response, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/v1/chat/completions", bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		r.Header[name] = values
	}
	return http.DefaultClient.Do(r)
}

// ask posts a request and reads the answer to its end, which may be an error.
func ask(t *testing.T, server *fakeprovider.Server, body any) (status int, answer []byte, readErr error) {
	t.Helper()
	response, err := post(t.Context(), server, body, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer, readErr = io.ReadAll(response.Body)
	return response.StatusCode, answer, readErr
}

type usage struct {
	PromptTokens     json.Number `json:"prompt_tokens"`
	CompletionTokens json.Number `json:"completion_tokens"`
	TotalTokens      json.Number `json:"total_tokens"`
	Details          struct {
		CachedTokens json.Number `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

type completion struct {
	Object  string `json:"object"`
	Model   string `json:"model"`
	Choices []struct {
		Index   int `json:"index"`
		Message struct {
			Role, Content string
		} `json:"message"`
		Delta struct {
			Content string
		} `json:"delta"`
		FinishReason *string `json:"finish_reason"`
	} `json:"choices"`
	Usage *usage `json:"usage"`
	Error *struct {
		Message, Type string
		Code          *string
	} `json:"error"`
}

func decode(t *testing.T, raw []byte) (c completion) {
	t.Helper()
	if err := json.Unmarshal(raw, &c); err != nil {
		t.Fatalf("%v in %s", err, raw)
	}
	return c
}

// onlyCall is the bill's only line.
func onlyCall(t *testing.T, server *fakeprovider.Server) fakeprovider.BilledCall {
	t.Helper()
	bill := server.Bill()
	if len(bill.Calls) != 1 {
		t.Fatalf("%d calls on the bill, want 1: %+v", len(bill.Calls), bill)
	}
	return bill.Calls[0]
}

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

// frames are the data of a stream's events.
func frames(raw []byte, newline string) (data []string) {
	for event := range strings.SplitSeq(string(raw), newline+newline) {
		if text, ok := strings.CutPrefix(event, "data: "); ok {
			data = append(data, text)
		}
	}
	return data
}

// checkStream reads a whole stream and says how many tokens it had.
func checkStream(t *testing.T, data []string, wantUsage bool) (tokens int) {
	t.Helper()
	if len(data) == 0 || data[len(data)-1] != "[DONE]" {
		t.Fatalf("the stream does not end with [DONE]: %q", data)
	}
	data = data[:len(data)-1]
	if wantUsage {
		last := decode(t, []byte(data[len(data)-1]))
		if len(last.Choices) != 0 || last.Usage == nil {
			t.Errorf("the frame before [DONE] is not the usage: %s", data[len(data)-1])
		}
		data = data[:len(data)-1]
	}
	for _, frame := range data {
		if hasNull := strings.Contains(frame, `"usage":null`); hasNull != wantUsage || !hasNull && strings.Contains(frame, "usage") {
			t.Errorf("frame %s; usage wanted: %v", frame, wantUsage)
		}
		for _, choice := range decode(t, []byte(frame)).Choices {
			tokens += len(strings.Fields(choice.Delta.Content))
		}
	}
	return tokens
}

func TestStream(t *testing.T) {
	for name, tc := range map[string]struct {
		prompt  string
		change  map[string]any
		newline string
		usage   bool
		want    int
	}{
		"plain":        {"hi", nil, "\n", false, 16},
		"with usage":   {"hi", map[string]any{"stream_options": map[string]any{"include_usage": true}}, "\n", true, 16},
		"choices":      {"hi", map[string]any{"n": 3, "max_tokens": 2}, "\n", false, 6},
		"CRLF":         {"[[crlf]]", nil, "\r\n", false, 16},
		"in pieces":    {"[[split=3]]", nil, "\n", false, 16},
		"comments":     {"[[comments]]", nil, "\n", false, 16},
		"slow":         {"[[first=5ms delay=1ms]]", nil, "\n", false, 16},
		"all together": {"[[crlf split=1 comments overrun=2]]", map[string]any{"n": 2, "stream_options": map[string]any{"include_usage": true}}, "\r\n", true, 34},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, fakeprovider.Options{})
			body := request(tc.prompt, tc.change)
			body["stream"] = true
			status, raw, err := ask(t, server, body)
			if status != http.StatusOK || err != nil {
				t.Fatalf("%d %s %v", status, raw, err)
			}
			if got := checkStream(t, frames(raw, tc.newline), tc.usage); got != tc.want {
				t.Errorf("%d tokens, want %d", got, tc.want)
			}
			if call := onlyCall(t, server); call.OutputTokens != int64(tc.want) || !call.Complete {
				t.Errorf("billed %+v, want %d output tokens, complete", call, tc.want)
			}
		})
	}
}

// TestPieces: the first read of a client need not be a whole frame.
func TestPieces(t *testing.T) {
	server := start(t, fakeprovider.Options{})
	response, err := post(t.Context(), server, request("[[split=3 delay=50ms]]", map[string]any{"stream": true}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	buffer := make([]byte, 3)
	if _, err := io.ReadFull(response.Body, buffer); err != nil || string(buffer) != "dat" {
		t.Errorf("read %q, %v, want %q", buffer, err, "dat")
	}
}

func TestBrokenAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		prompt     string
		stream     bool
		wantStatus int
		wantCut    bool
		wantError  bool
		wantBilled int64 // output tokens; -1 for no call on the bill
	}{
		"stream cut":          {"[[cut=3]]", true, 200, true, false, 3},
		"stream cut at once":  {"[[cut=0]]", true, 200, true, false, 0},
		"stream cut at end":   {"[[cut=16]]", true, 200, true, false, 16},
		"whole answer cut":    {"[[output=16 cut=16]]", false, 200, true, false, 16},
		"stream fails":        {"[[fail=3]]", true, 200, false, true, 3},
		"too many requests":   {"[[status=429]]", false, 429, false, true, -1},
		"server error":        {"[[status=500]]", true, 500, false, true, -1},
		"unknown directive":   {"[[banana]]", false, 400, false, true, -1},
		"directive not sane":  {"[[output=-1]]", false, 400, false, true, -1},
		"status not an error": {"[[status=200]]", false, 400, false, true, -1},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, fakeprovider.Options{})
			status, raw, err := ask(t, server, request(tc.prompt, map[string]any{"stream": tc.stream}))
			if status != tc.wantStatus {
				t.Errorf("status %d, want %d", status, tc.wantStatus)
			}
			if (err != nil) != tc.wantCut {
				t.Errorf("reading the answer: %v, want an error: %v", err, tc.wantCut)
			}
			if strings.Contains(string(raw), "[DONE]") {
				t.Errorf("the answer is complete: %s", raw)
			}
			if tc.wantError {
				last := raw
				if data := frames(raw, "\n"); len(data) > 0 {
					last = []byte(data[len(data)-1])
				}
				if got := decode(t, last); got.Error == nil || got.Error.Message == "" || got.Error.Type == "" {
					t.Errorf("the last word is not an error: %s", last)
				}
			}
			if tc.wantBilled < 0 {
				if bill := server.Bill(); len(bill.Calls) != 0 {
					t.Errorf("billed %+v, want nothing", bill)
				}
				return
			}
			if call := onlyCall(t, server); call.OutputTokens != tc.wantBilled || call.Complete || call.InputTokens == 0 {
				t.Errorf("billed %+v, want input, %d output tokens, not complete", call, tc.wantBilled)
			}
		})
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

// TestHold keeps many calls open at once and lets them go.
func TestHold(t *testing.T) {
	server := start(t, fakeprovider.Options{})
	const calls = 50
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			// Half of them are held in the middle of a stream.
			body := request("[[hold]]", nil)
			if i%2 == 0 {
				body = request("[[hold=8]]", map[string]any{"stream": true})
			}
			if status, raw, err := ask(t, server, body); status != http.StatusOK || err != nil {
				t.Errorf("%d %s %v", status, raw, err)
			}
		})
	}
	waitFor(t, func() bool { return server.Held() == calls })
	for _, call := range server.Bill().Calls {
		if call.Complete || call.OutputTokens != 8 {
			t.Errorf("a call that is held is billed %+v, want 8 output tokens, not complete", call)
		}
	}
	response, err := http.Post(server.URL+"/release", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if want := fmt.Sprintf(`{"released":%d}`, calls); string(answer) != want {
		t.Errorf("POST /release: %s, want %s", answer, want)
	}
	wg.Wait()
	bill := server.Bill()
	if len(bill.Calls) != calls {
		t.Errorf("%d calls on the bill, want %d", len(bill.Calls), calls)
	}
	for _, call := range bill.Calls {
		if !call.Complete || call.OutputTokens != 16 {
			t.Errorf("billed %+v, want 16 output tokens, complete", call)
		}
	}
	if server.Held() != 0 {
		t.Errorf("%d still held", server.Held())
	}
}

// TestHangUp: who hangs up pays for what was generated until then.
func TestHangUp(t *testing.T) {
	for name, tc := range map[string]struct {
		prompt     string
		stream     bool
		wantBilled int64 // output tokens; -1 for no call on the bill
	}{
		"before generation":     {"[[hold]]", false, -1},
		"in a stream":           {"[[hold=5]]", true, 5},
		"before a whole answer": {"[[hold=5]]", false, 5},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, fakeprovider.Options{})
			ctx, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				response, err := post(ctx, server, request(tc.prompt, map[string]any{"stream": tc.stream}), nil)
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
				}
			}()
			waitFor(t, func() bool { return server.Held() == 1 })
			hangUp()
			<-gone
			waitFor(t, func() bool { return server.Held() == 0 })
			if tc.wantBilled < 0 {
				if bill := server.Bill(); len(bill.Calls) != 0 {
					t.Errorf("billed %+v, want nothing", bill)
				}
				return
			}
			if call := onlyCall(t, server); call.OutputTokens != tc.wantBilled || call.Complete {
				t.Errorf("billed %+v, want %d output tokens, not complete", call, tc.wantBilled)
			}
		})
	}
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatal("did not come true in time")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestHeaderDirectives(t *testing.T) {
	server := start(t, fakeprovider.Options{})
	response, err := post(t.Context(), server, request("hi", nil), http.Header{fakeprovider.DirectivesHeader: {"output=7"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if call := onlyCall(t, server); call.OutputTokens != 7 {
		t.Errorf("billed %+v, want 7 output tokens", call)
	}
}

// TestCompression: who says that it reads gzip gets gzip.
func TestCompression(t *testing.T) {
	server := start(t, fakeprovider.Options{})
	response, err := post(t.Context(), server, request("hi", nil), http.Header{"Accept-Encoding": {"gzip"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, _ := io.ReadAll(response.Body)
	if response.Header.Get("Content-Encoding") != "gzip" || bytes.Contains(raw, []byte("usage")) {
		t.Errorf("Content-Encoding is %q of %q", response.Header.Get("Content-Encoding"), raw)
	}
}

func TestKey(t *testing.T) {
	server := start(t, fakeprovider.Options{Key: "sk-fake"})
	for name, tc := range map[string]struct {
		header string
		want   int
	}{
		"none":     {"", http.StatusUnauthorized},
		"wrong":    {"Bearer sk-other", http.StatusUnauthorized},
		"bare":     {"sk-fake", http.StatusUnauthorized},
		"expected": {"Bearer sk-fake", http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			response, err := post(t.Context(), server, request("hi", nil), http.Header{"Authorization": {tc.header}})
			if err != nil {
				t.Fatal(err)
			}
			_ = response.Body.Close()
			if response.StatusCode != tc.want {
				t.Errorf("status %d, want %d", response.StatusCode, tc.want)
			}
		})
	}
	if call := onlyCall(t, server); call.ID != "fake-1" {
		t.Errorf("billed as %q, want fake-1", call.ID)
	}
}

func TestModels(t *testing.T) {
	server := start(t, fakeprovider.Options{})
	response, err := http.Get(server.URL + "/v1/models")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var list struct {
		Object string
		Data   []struct{ ID, Object string }
	}
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, model := range list.Data {
		ids = append(ids, model.ID)
	}
	if got, want := strings.Join(ids, " "), "claude-sonnet-4-5 gemini-2.5-flash gpt-4o gpt-4o-mini gpt-5 penny text-embedding-3-small"; got != want || list.Object != "list" {
		t.Errorf("models %q in a %q, want %q in a list", got, list.Object, want)
	}
}

func TestBadRequests(t *testing.T) {
	server := start(t, fakeprovider.Options{})
	for name, tc := range map[string]struct {
		body any
		want int
	}{
		"not an object": {"hello", http.StatusBadRequest},
		"no messages":   {map[string]any{"model": "gpt-4o"}, http.StatusBadRequest},
		"zero tokens":   {request("hi", map[string]any{"max_tokens": 0}), http.StatusBadRequest},
		"no choices":    {request("hi", map[string]any{"n": 0}), http.StatusBadRequest},
		"odd content":   {map[string]any{"model": "gpt-4o", "messages": []any{map[string]any{"role": "user", "content": 5}}}, http.StatusBadRequest},
		"unknown model": {request("hi", map[string]any{"model": "gpt-99"}), http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			status, raw, _ := ask(t, server, tc.body)
			if status != tc.want || decode(t, raw).Error == nil {
				t.Errorf("%d %s, want %d with an error", status, raw, tc.want)
			}
		})
	}
	if bill := server.Bill(); len(bill.Calls) != 0 {
		t.Errorf("billed %+v, want nothing", bill)
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
