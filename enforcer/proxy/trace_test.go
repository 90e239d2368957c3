package proxy_test

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/bursar-dev/bursar/api/tracing"
	"github.com/bursar-dev/bursar/hack/parts/collector"
)

// The trace that a caller says its call is part of.
const (
	callersTrace  = "0af7651916cd43dd8448eb211c80319c"
	callersSpan   = "b7ad6b7169203331"
	callersParent = "00-" + callersTrace + "-" + callersSpan + "-01"
)

// TestTrace: the steps of a call are spans of its caller's trace, by the GenAI
// conventions, without anything secret; the provider is told of none.
func TestTrace(t *testing.T) {
	all := []string{"identify", "read", "claim", "bound", "admit", "chat mini-2026", "settle", "record"}
	for name, tc := range map[string]struct {
		body     string
		upstream http.HandlerFunc
		want     []string
		// wantOf are attributes of some spans.
		wantOf map[string]map[string]any
		// failed are the spans that say that something failed.
		failed []string
	}{
		"a whole answer": {
			body: chat, upstream: whole(200, answer), want: all,
			wantOf: map[string]map[string]any{
				"POST /v1/chat/completions": {"bursar.tenant": "acme", "bursar.decision": "Admitted", "http.response.status_code": int64(200)},
				"chat mini-2026": {
					"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "mini-2026",
					"gen_ai.usage.input_tokens": used.TotalInput(), "gen_ai.usage.output_tokens": used.Output, "gen_ai.request.stream": false,
				},
				"settle": {"bursar.outcome": "Settled", "bursar.cost_nanos": int64(usedCost)},
			},
		},
		"an answer that is cut off": {
			body: streamedChat, upstream: stream(chunk, cut), want: all,
			wantOf: map[string]map[string]any{
				"chat mini-2026": {"gen_ai.request.stream": true},
				"settle":         {"bursar.outcome": "ChargedSeen"},
			},
		},
		"no such model": {
			body: strings.Replace(chat, "mini", "a-secret", 1), want: []string{"identify", "read", "claim", "bound"},
			wantOf: map[string]map[string]any{"POST /v1/chat/completions": {"error.type": "model_not_found", "http.response.status_code": int64(404)}},
			failed: []string{"POST /v1/chat/completions", "bound"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			received := collector.Start(t)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.URL)
			traces, err := tracing.Start("bursar-enforcer", os.Getenv, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			d := newDoor(t, func(w http.ResponseWriter, r *http.Request) {
				if told := r.Header.Get("Traceparent") + r.Header.Get("Tracestate"); told != "" {
					t.Errorf("the provider is told of trace %q", told)
				}
				tc.upstream(w, r)
			}, func(o *doorOptions) { o.Tracer = traces.Tracer() })
			request := d.request(http.MethodPost, "/v1/chat/completions", tc.body)
			request.Header.Set("Traceparent", callersParent)
			d.do(request)
			d.server.Close()
			if err := d.calls.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			traces.Stop()

			spans := map[string]*tracev1.Span{}
			for _, span := range received.Spans() {
				spans[span.Name] = span
			}
			checkTree(t, spans, tc.want)
			for name, want := range tc.wantOf {
				for key, value := range want {
					if got := valueOf(collector.Attribute(spans[name].GetAttributes(), key)); got != value {
						t.Errorf("%s: %s is %v, want %v", name, key, got, value)
					}
				}
			}
			for name, span := range spans {
				failed := span.GetStatus().GetCode() == tracev1.Status_STATUS_CODE_ERROR
				if failed != slices.Contains(tc.failed, name) {
					t.Errorf("%s failed: %t", name, failed)
				}
			}
			if text := fmt.Sprint(spans); strings.Contains(text, "secret") || strings.Contains(text, `"hi"`) || strings.Contains(text, "Bearer") {
				t.Errorf("the spans have what they must not: %s", text)
			}
		})
	}
}

// TestTraceOfAnUnlistedModel: its name is what the client has chosen, and in no span.
func TestTraceOfAnUnlistedModel(t *testing.T) {
	received := collector.Start(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", received.URL)
	traces, err := tracing.Start("bursar-enforcer", os.Getenv, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := newUnlistedDoor(t, asIs)
	d.calls.Tracer = traces.Tracer()
	if got := d.call(strings.Replace(unlistedChat, "gpt-9", "a-secret", 1)); got.status != http.StatusOK {
		t.Fatalf("status %d %s", got.status, got.body)
	}
	d.server.Close()
	if err := d.calls.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	traces.Stop()
	names := map[string]bool{}
	for _, span := range received.Spans() {
		names[span.Name] = true
	}
	if text := fmt.Sprint(received.Spans()); !names["chat"] || strings.Contains(text, "secret") {
		t.Errorf("the spans want one named chat, and no secret: %s", text)
	}
}

// checkTree checks that the spans are those of a call and of the steps that it took.
func checkTree(t *testing.T, spans map[string]*tracev1.Span, steps []string) {
	t.Helper()
	root := spans["POST /v1/chat/completions"]
	if len(spans) != len(steps)+1 || root == nil || fmt.Sprintf("%x", root.ParentSpanId) != callersSpan {
		t.Fatalf("spans %v, want the call's below %s, and %v", spans, callersSpan, steps)
	}
	for _, step := range steps {
		span := spans[step]
		if fmt.Sprintf("%x", span.GetTraceId()) != callersTrace || string(span.GetParentSpanId()) != string(root.SpanId) {
			t.Errorf("%s: %v, want a part of the call", step, span)
		}
	}
}

func valueOf(value *commonv1.AnyValue) any {
	switch v := value.GetValue().(type) {
	case *commonv1.AnyValue_StringValue:
		return v.StringValue
	case *commonv1.AnyValue_IntValue:
		return v.IntValue
	case *commonv1.AnyValue_BoolValue:
		return v.BoolValue
	}
	return nil
}
