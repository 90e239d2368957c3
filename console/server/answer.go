package server

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// answer is a handler whose answers are safe for browsers, counted, logged and traced.
// Metrics, logs and traces have neither the query nor the credential of a request.
func (s *Server) answer(next http.Handler) http.Handler {
	requests := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "bursar_console_request_duration_seconds", Help: "How long answers took, by method and status.",
		Buckets: []float64{.005, .01, .025, .05, .1, .2, .5, 1, 2, 5, 10, 20},
	}, []string{"method", "status"})
	s.options.Registry.MustRegister(requests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		ctx := r.Context()
		if s.options.Tracer != nil {
			var span trace.Span
			ctx, span = s.options.Tracer.Start(ctx, methodOf(r)+" "+r.URL.Path, trace.WithSpanKind(trace.SpanKindServer))
			defer span.End()
		}
		protect(w.Header(), r.URL.Path, s.isHTTPS())
		r.Body = http.MaxBytesReader(w, r.Body, maxBodyBytes)
		seen := &seenResponse{ResponseWriter: w, status: http.StatusOK}
		s.guarded(next, seen, r.WithContext(ctx))
		took := time.Since(begin)
		trace.SpanFromContext(ctx).SetAttributes(attribute.Int("http.response.status_code", seen.status))
		requests.WithLabelValues(methodOf(r), strconv.Itoa(seen.status)).Observe(took.Seconds())
		s.options.Log.Debug("answered", "method", methodOf(r), "path", r.URL.Path, "status", seen.status, "took", took.String())
	})
}

// methodOf is the method of a request, if it is a known one: clients can make up others.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPatch, http.MethodPut, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// guarded answers 500 if the handler panics before it has answered.
func (s *Server) guarded(next http.Handler, w *seenResponse, r *http.Request) {
	defer func() {
		panicked := recover()
		if panicked == nil {
			return
		}
		s.options.Log.Error("A request made the console panic", "path", r.URL.Path, "panic", panicked, "stack", string(debug.Stack()))
		if !w.begun {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write([]byte(`{"type":"urn:bursar:problem:internal-error","title":"Internal error","status":500,"code":"internal_error","detail":"The console failed to answer: its log says why."}` + "\n"))
		}
	}()
	next.ServeHTTP(w, r)
}

// seenResponse remembers the status.
type seenResponse struct {
	http.ResponseWriter
	status int
	begun  bool
}

// WriteHeader remembers the status.
func (s *seenResponse) WriteHeader(status int) {
	s.status, s.begun = status, true
	s.ResponseWriter.WriteHeader(status)
}

// Write remembers that the answer has begun.
func (s *seenResponse) Write(part []byte) (int, error) {
	s.begun = true
	return s.ResponseWriter.Write(part)
}

// Unwrap is for http.ResponseController.
func (s *seenResponse) Unwrap() http.ResponseWriter { return s.ResponseWriter }
