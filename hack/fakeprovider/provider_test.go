package fakeprovider_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

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
	if got, want := strings.Join(ids, " "), "claude-sonnet-4-5 gemini-2.5-flash gpt-4.1 gpt-4o gpt-4o-mini gpt-5 penny text-embedding-3-small"; got != want || list.Object != "list" {
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
