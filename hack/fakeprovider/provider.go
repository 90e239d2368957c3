package fakeprovider

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"maps"
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

// Provider is the fake, an http.Handler. Under /v1 it is the OpenAI API and
// Anthropic's, under /v1beta Gemini's, under /openai Azure's, under /v1/ai, /v3/ai and
// /v4/ai Vercel AI Gateway's; beside them are /bill, /paused and /resume, which need no key.
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
	apis := vercelAPIs()
	maps.Copy(apis, map[string]api{
		"/v1/chat/completions":  chatAPI{},
		"/v1/responses":         responsesAPI{},
		"/v1/responses/compact": compactAPI{},
		"/v1/embeddings":        embeddingsAPI{},
		"/v1/messages":          messagesAPI{&threads{}},
		"/openai/deployments/{model}/chat/completions": chatAPI{},
		"/openai/deployments/{model}/embeddings":       embeddingsAPI{},
	})
	for path, api := range apis {
		p.mux.Handle("POST "+path, p.authenticated(api, func(w http.ResponseWriter, r *http.Request) { p.call(w, r, path, api) }))
	}
	const geminiPath = "/v1beta/models/{model}"
	p.mux.Handle("POST "+geminiPath, p.authenticated(geminiAPI{}, func(w http.ResponseWriter, r *http.Request) { p.gemini(w, r, geminiPath) }))
	for pattern, helper := range p.helpers() {
		p.mux.Handle(pattern, helper)
	}
	p.mux.Handle("GET /v1/models", p.authenticated(chatAPI{}, p.listModels))
	p.mux.Handle("GET /v1beta/models", p.authenticated(geminiAPI{}, p.listModels))
	p.mux.HandleFunc("GET /bill", func(w http.ResponseWriter, r *http.Request) { writeJSON(w, r, marshal(p.Bill())) })
	p.mux.HandleFunc("DELETE /bill", func(w http.ResponseWriter, _ *http.Request) {
		p.ResetBill()
		w.WriteHeader(http.StatusNoContent)
	})
	p.mux.HandleFunc("GET /paused", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, r, marshal(map[string]int{"paused": p.Paused()}))
	})
	p.mux.HandleFunc("POST /resume", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, r, marshal(map[string]int{"resumed": p.Resume()}))
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

// Paused is how many calls wait for Resume.
func (p *Provider) Paused() int { return p.gate.count() }

// Resume lets the calls continue that are paused now, and returns how many they were.
func (p *Provider) Resume() int { return p.gate.resume() }

// authenticated requires the key, as the clients of any of the APIs send it.
func (p *Provider) authenticated(api api, next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok {
			got = ""
		}
		for _, name := range []string{"X-Api-Key", "X-Goog-Api-Key", "Api-Key"} {
			got += r.Header.Get(name)
		}
		if p.key != "" && subtle.ConstantTimeCompare([]byte(got), []byte(p.key)) != 1 {
			writeError(w, api, wrongKey(api))
			return
		}
		next(w, r)
	})
}

// wrongKey is how an API refuses a key that it does not know.
func wrongKey(api api) *refusal {
	if _, ok := api.(geminiAPI); ok {
		return &refusal{http.StatusBadRequest, "", "API_KEY_INVALID", "API key not valid. Please pass a valid API key."}
	}
	return &refusal{http.StatusUnauthorized, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."}
}

func (p *Provider) listModels(w http.ResponseWriter, r *http.Request) {
	var data []any
	for _, name := range names(p.models) {
		data = append(data, map[string]any{"id": name, "object": "model", "created": created, "owned_by": "fake"})
	}
	writeJSON(w, r, marshal(map[string]any{"object": "list", "data": data}))
}

// call answers a call of an API.
func (p *Provider) call(w http.ResponseWriter, r *http.Request, path string, api api) {
	id := r.Header.Get("X-Request-Id")
	if id == "" {
		id = fmt.Sprintf("fake-%d", p.calls.Add(1))
	}
	w.Header().Set("X-Request-Id", id)
	a, err := p.prepare(w, r, id, api)
	var refused *refusal
	if errors.As(err, &refused) {
		writeError(w, api, refused)
		return
	}
	if is(a.directives.pause, 0) {
		if err := p.gate.wait(r.Context()); err != nil {
			return // The caller has gone, and nothing was generated.
		}
	}
	a.line = p.ledger.begin(a.model, a.opening(path))
	if a.request.stream {
		p.stream(w, r, a)
		return
	}
	p.whole(w, r, a)
}

// opening is the call's line on the bill before there is any output.
func (a *answer) opening(path string) BilledCall {
	call := BilledCall{
		ID: a.id, API: path, Model: a.request.model, User: a.request.user, Stream: a.request.stream,
		InputTokens: a.request.inputTokens(a.model, a.directives), Tier: a.tier,
		Geo: a.directives.geo, Speed: a.directives.speed, Searches: int64(a.directives.searches),
	}
	left := call.InputTokens
	for _, part := range []struct {
		asked int
		to    *int64
	}{
		{a.directives.cached, &call.CachedInputTokens}, {a.directives.write, &call.CacheWriteTokens},
		{a.directives.write1h, &call.CacheWrite1hTokens}, {a.directives.audio, &call.AudioInputTokens},
	} {
		*part.to = min(int64(part.asked), left)
		left -= *part.to
	}
	return call
}

// refusal is an answer that is an error.
type refusal struct {
	status              int
	kind, code, message string
}

func (r *refusal) Error() string { return r.message }

// prepare reads a request and decides on the answer to it. Its error is a *refusal.
func (p *Provider) prepare(w http.ResponseWriter, r *http.Request, id string, api api) (*answer, error) {
	wrong := func(err error) *refusal {
		if refused := (*refusal)(nil); errors.As(err, &refused) {
			return refused
		}
		return &refusal{http.StatusBadRequest, "invalid_request_error", "", err.Error()}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return nil, wrong(err)
	}
	request, err := api.read(r.PathValue("model"), r, body)
	if err != nil {
		return nil, wrong(err)
	}
	m, known := p.models[request.model]
	if !known { // at gateways, the names of models begin with their maker's
		m, known = p.models[request.model[strings.LastIndexByte(request.model, '/')+1:]]
	}
	if !known {
		return nil, &refusal{
			http.StatusNotFound, "invalid_request_error", "model_not_found",
			fmt.Sprintf("The model %q does not exist; the models are %s.", request.model, strings.Join(names(p.models), ", ")),
		}
	}
	if request.choices < 1 || request.choices > maxChoices {
		return nil, wrong(fmt.Errorf("n must be between 1 and %d", maxChoices))
	}
	d, err := parseDirectives(r.Header, request.prompt)
	if err != nil {
		return nil, wrong(err)
	}
	if d.status != 0 {
		return nil, &refusal{d.status, kindOf(d.status), "", fmt.Sprintf("status %d, as asked", d.status)}
	}
	a := &answer{api: api, request: request, directives: d, model: m, id: id}
	a.tokens, a.cutShort = request.outputTokens(m, d)
	if a.thoughts = d.thoughts; request.bound != nil {
		a.thoughts = min(d.thoughts, *request.bound-a.tokens)
	}
	if a.call, err = request.callOf(d.tool); err != nil {
		return nil, wrong(err)
	}
	return a, a.serveIn(request.tier)
}

// serveIn decides on the service tier, and whether the model has what the directives ask for. Its error is a *refusal.
func (a *answer) serveIn(asked string) error {
	if a.directives.tier != "" {
		asked = a.directives.tier
	}
	_, geo := a.model.Geos[a.directives.geo]
	_, speed := a.model.Speeds[a.directives.speed]
	if a.directives.geo != "" && !geo || a.directives.speed != "" && !speed || a.directives.searches > 0 && a.model.Search == nil {
		return &refusal{http.StatusBadRequest, "invalid_request_error", "", "the model has no price for the geography, the speed or a search"}
	}
	switch _, known := a.model.Tiers[asked]; {
	case known:
		a.tier = asked
	case asked != "" && asked != "auto" && asked != "default":
		return &refusal{http.StatusBadRequest, "invalid_request_error", "", fmt.Sprintf("unknown service tier %q", asked)}
	}
	return nil
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

func writeError(w http.ResponseWriter, api api, r *refusal) {
	w.Header().Set("Content-Type", "application/json")
	if r.status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(append(marshal(api.refusal(r)), '\n')) // The caller may have gone.
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

// CloseIdle closes the connections on which no request is being answered.
func (s *Server) CloseIdle() {
	s.http.SetKeepAlivesEnabled(false) // which closes them
	s.http.SetKeepAlivesEnabled(true)
}
