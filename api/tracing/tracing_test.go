package tracing_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/tracing"
	"github.com/bursar-dev/bursar/hack/parts/collector"
)

// TestStart: what the environment says is done, or refused by the variable's name.
func TestStart(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for name, tc := range map[string]struct {
		env    map[string]string
		wantOn bool
		// wantErr is a part of the error; empty when there is to be none.
		wantErr string
	}{
		"nothing said":   {},
		"an endpoint":    {env: map[string]string{endpoint: ""}, wantOn: true},
		"one of traces":  {env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "/v1/traces"}, wantOn: true},
		"no traces":      {env: map[string]string{endpoint: "", "OTEL_TRACES_EXPORTER": "none"}},
		"nothing at all": {env: map[string]string{endpoint: "", "OTEL_SDK_DISABLED": "true"}},
		"the protocol":   {env: map[string]string{endpoint: "", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}, wantOn: true},
		"traces' protocol": {
			env:    map[string]string{endpoint: "", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
			wantOn: true,
		},
		"another protocol": {
			env:     map[string]string{endpoint: "", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
			wantErr: `OTEL_EXPORTER_OTLP_PROTOCOL is "grpc"`,
		},
		"no URL": {
			env:     map[string]string{endpoint: ":4318"},
			wantErr: "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL",
		},
	} {
		t.Run(name, func(t *testing.T) {
			received := collector.Start(t)
			for name, value := range tc.env {
				if strings.HasSuffix(name, "ENDPOINT") && !strings.HasPrefix(value, ":") {
					tc.env[name] = received.URL + value
				}
				t.Setenv(name, tc.env[name])
			}
			got, err := tracing.Start("bursar-test", func(name string) string { return tc.env[name] }, slog.New(slog.DiscardHandler))
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Fatalf("got error %v, want one about %q", err, tc.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tracer := got.Tracer()
			if on := tracer != nil; on != tc.wantOn {
				t.Fatalf("on: %t, want %t", on, tc.wantOn)
			}
			var want []string
			if tc.wantOn {
				_, span := tracer.Start(t.Context(), "a span")
				span.End()
				want = []string{"bursar-test"}
			}
			got.Stop()
			if services := received.Services(); !slices.Equal(services, want) {
				t.Errorf("spans came from %v, want %v", services, want)
			}
		})
	}
}
