package fakeprovider

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// maxBody is the largest request that is read.
const maxBody = 64 << 20

// Options say what kind of provider it is.
type Options struct {
	// Key is the API key that calls must come with; empty lets everybody in.
	Key string
}

// Provider is the fake, an http.Handler. Under /v1 it is the OpenAI API; beside
// it are /bill, /held and /release, which need no key.
type Provider struct {
	key    string
	models map[string]model
	ledger ledger
	gate   gate
	calls  atomic.Int64
	mux    *http.ServeMux
}

// New makes a provider with an empty bill.
func New(opts Options) *Provider {
	p := &Provider{key: opts.Key, models: loadModels(), mux: http.NewServeMux()}
	p.mux.Handle("POST /v1/chat/completions", p.authenticated(p.chat))
	p.mux.Handle("GET /v1/models", p.authenticated(p.listModels))
	p.mux.HandleFunc("GET /bill", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, r, marshal(p.Bill())) })
	p.mux.HandleFunc("DELETE /bill", func(w http.ResponseWriter, _ *http.Request) {
		p.ResetBill()
		w.WriteHeader(http.StatusNoContent)
	})
	p.mux.HandleFunc("GET /held", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, r, marshal(map[string]int{"held": p.Held()}))
	})
	p.mux.HandleFunc("POST /release", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, r, marshal(map[string]int{"released": p.Release()}))
	})
	return p
}

// ServeHTTP answers a request.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// Bill is what is to be paid so far. A call is on it from the moment its
// generation begins; a token, before it is sent.
func (p *Provider) Bill() Bill { return p.ledger.bill() }

// ResetBill forgets all calls so far.
func (p *Provider) ResetBill() { p.ledger.reset() }

// Held is how many calls wait for Release.
func (p *Provider) Held() int { return p.gate.count() }

// Release lets the calls go on that are held now, and says how many they were.
func (p *Provider) Release() int { return p.gate.release() }

func (p *Provider) authenticated(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := []byte(r.Header.Get("Authorization"))
		if p.key != "" && subtle.ConstantTimeCompare(got, []byte("Bearer "+p.key)) != 1 {
			writeError(w, http.StatusUnauthorized, "invalid_request_error", "invalid_api_key", "Incorrect API key provided.")
			return
		}
		next(w, r)
	})
}

func (p *Provider) listModels(w http.ResponseWriter, r *http.Request) {
	var data []any
	for _, name := range names(p.models) {
		data = append(data, map[string]any{"id": name, "object": "model", "created": created, "owned_by": "fake"})
	}
	writeJSON(w, r, marshal(map[string]any{"object": "list", "data": data}))
}

func (p *Provider) chat(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Request-Id")
	if id == "" {
		id = fmt.Sprintf("fake-%d", p.calls.Add(1))
	}
	w.Header().Set("X-Request-Id", id)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeError(w, http.StatusBadRequest, "invalid_request_error", "", err.Error())
		return
	}
	a, err := p.prepare(id, r.Header, body)
	var refused *refusal
	if errors.As(err, &refused) {
		writeError(w, refused.status, refused.kind, refused.code, refused.message)
		return
	}
	if is(a.directives.hold, 0) {
		if err := p.gate.wait(r.Context()); err != nil {
			return // The caller has gone, and nothing was generated.
		}
	}
	a.line = p.ledger.begin(a.model, BilledCall{
		ID: id, Model: a.request.Model, User: a.request.User, Stream: a.request.Stream,
		InputTokens:       a.request.inputTokens(),
		CachedInputTokens: min(int64(a.directives.cached), a.request.inputTokens()),
	})
	if a.request.Stream {
		p.stream(w, r, a)
		return
	}
	p.whole(w, r, a)
}

// refusal is an answer that is an error.
type refusal struct {
	status              int
	kind, code, message string
}

func (r *refusal) Error() string { return r.message }

// prepare reads a request and decides on the answer to it. Its error is a *refusal.
func (p *Provider) prepare(id string, header http.Header, body []byte) (*answer, error) {
	request, err := parseChatRequest(body)
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "invalid_request_error", "", err.Error()}
	}
	m, known := p.models[request.Model]
	if !known {
		return nil, &refusal{
			http.StatusNotFound, "invalid_request_error", "model_not_found",
			fmt.Sprintf("The model %q does not exist; there are %s.", request.Model, strings.Join(names(p.models), ", ")),
		}
	}
	if request.choices() > maxChoices {
		return nil, &refusal{http.StatusBadRequest, "invalid_request_error", "", fmt.Sprintf("n must be at most %d", maxChoices)}
	}
	d, err := parseDirectives(header, request.lastPrompt())
	if err != nil {
		return nil, &refusal{http.StatusBadRequest, "invalid_request_error", "", err.Error()}
	}
	if d.status != 0 {
		return nil, &refusal{d.status, kindOf(d.status), "", fmt.Sprintf("status %d, as asked", d.status)}
	}
	a := &answer{request: request, directives: d, model: m, id: id}
	a.tokens, a.cutShort = request.outputTokens(m, d)
	return a, nil
}

func kindOf(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= http.StatusInternalServerError:
		return "server_error"
	}
	return "invalid_request_error"
}

func errorBody(kind, code, message string) map[string]any {
	body := map[string]any{"message": message, "type": kind, "param": nil, "code": nil}
	if code != "" {
		body["code"] = code
	}
	return body
}

func writeError(w http.ResponseWriter, status int, kind, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	if status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"error": errorBody(kind, code, message)}) // The caller may have gone.
}

// Server is a provider that listens on loopback.
type Server struct {
	*Provider
	// URL is "http://127.0.0.1:<port>"; the OpenAI API is under URL + "/v1".
	URL string

	http *http.Server
}

// Start makes a provider that listens on addr; "127.0.0.1:0" means a free port.
// It serves until Stop.
func Start(addr string, opts Options) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("fake provider: %w", err)
	}
	provider := New(opts)
	s := &Server{
		Provider: provider,
		URL:      "http://" + listener.Addr().String(),
		http:     &http.Server{Handler: provider, ReadHeaderTimeout: time.Minute},
	}
	go func() { _ = s.http.Serve(listener) }() // Ends with Stop.
	return s, nil
}

// Stop closes the listener and every connection, in the middle of answers too.
func (s *Server) Stop() error { return s.http.Close() }
