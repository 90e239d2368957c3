package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
)

const (
	answer     = `{"id":"1","choices":[{"message":{"content":"hello"}}],"usage":{"prompt_tokens":8,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":3}}}`
	chunk      = `data: {"id":"1","choices":[{"delta":{"content":"hello"}}]}` + "\n\n"
	usageChunk = `data: {"id":"1","choices":[],"usage":{"prompt_tokens":8,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":3}}}` + "\n\n"
	done       = "data: [DONE]\n\n"
)

var (
	used     = price.Usage{Input: 5, CachedInput: 3, Output: 5}
	usedCost = money.Nanos(5*1000 + 3*100 + 5*10_000)
)

// whole answers with a status and a body.
func whole(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// stream answers with frames, each sent when the one before has been.
func stream(frames ...string) http.HandlerFunc { return typed("text/event-stream", frames...) }

// typed is a stream of a type of content; empty is none.
func typed(kind string, frames ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		}
		for _, frame := range frames {
			if frame == cut {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, frame)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// cut is a frame at which the connection breaks.
const cut = "cut"

// hijack answers with raw bytes and closes the connection.
func hijack(raw string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, raw)
		_ = conn.Close()
	}
}

func errorBody(code, message string) string {
	titles := map[string]string{
		"provider_unreachable": "Provider unreachable", "provider_failed": "Provider failed",
		"provider_refused": "Provider refused", "provider_cut": "Answer cut off",
	}
	return fmt.Sprintf(`{"error":{"message":%q,"type":"server_error","param":null,"code":%q},"type":"urn:bursar:problem:%s","title":%q,"status":502,"detail":%q}`,
		message, code, strings.ReplaceAll(code, "_", "-"), titles[code], message)
}
