package tracing

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope names the spans' origin.
const scope = "github.com/bursar-dev/bursar"

// stopTimeout is how long the last spans may take to be sent.
const stopTimeout = 5 * time.Second

// The environment variables that decide whether there are traces. The exporter, the
// batches, the sampler and the resource are configured by others of the same standard.
const (
	endpointVariable       = "OTEL_EXPORTER_OTLP_ENDPOINT"
	tracesEndpointVariable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	protocolVariable       = "OTEL_EXPORTER_OTLP_PROTOCOL"
	tracesProtocolVariable = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	exporterVariable       = "OTEL_TRACES_EXPORTER"
	disabledVariable       = "OTEL_SDK_DISABLED"
)

// Tracing is where a program's spans go.
type Tracing struct {
	provider *sdktrace.TracerProvider
	log      *slog.Logger
}

// Start reads the environment. If tracing is off, it returns a Tracing whose Tracer is
// nil. An error means that a variable asks for something impossible. Spans that cannot
// be sent are dropped and logged.
func Start(service string, getenv func(string) string, log *slog.Logger) (*Tracing, error) {
	if !isOn(getenv) {
		return &Tracing{log: log}, nil
	}
	if err := check(getenv); err != nil {
		return nil, err
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("traces", "error", err) }))
	exporter, err := otlptracehttp.New(context.Background())
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	// The environment's attributes of the resource come last, so that they win.
	about, err := resource.New(context.Background(), resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(semconv.ServiceName(service), semconv.ServiceNamespace("bursar")), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return &Tracing{sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about)), log}, nil
}

func isOn(getenv func(string) string) bool {
	exporter := getenv(exporterVariable)
	return cmp.Or(getenv(tracesEndpointVariable), getenv(endpointVariable)) != "" &&
		(exporter == "" || exporter == "otlp") && !strings.EqualFold(getenv(disabledVariable), "true")
}

// check reports what the exporter would silently ignore.
func check(getenv func(string) string) error {
	for _, variable := range []string{tracesEndpointVariable, endpointVariable} {
		endpoint, err := url.Parse(getenv(variable))
		if err != nil || *endpoint != (url.URL{}) && (endpoint.Host == "" || endpoint.Scheme != "http" && endpoint.Scheme != "https") {
			return fmt.Errorf("%s must be a URL with http or https, as in http://collector:4318", variable)
		}
	}
	variable := protocolVariable
	if getenv(tracesProtocolVariable) != "" {
		variable = tracesProtocolVariable
	}
	if protocol := getenv(variable); protocol != "" && protocol != "http/protobuf" {
		return fmt.Errorf("%s is %q: only http/protobuf is supported", variable, protocol)
	}
	return nil
}

// Tracer makes spans; nil if they go nowhere.
func (t *Tracing) Tracer() trace.Tracer {
	if t.provider == nil {
		return nil
	}
	return t.provider.Tracer(scope)
}

// UseEverywhere makes this the tracer of code that asks OpenTelemetry's global provider
// for one.
func (t *Tracing) UseEverywhere() {
	if t.provider != nil {
		otel.SetTracerProvider(t.provider)
	}
}

// Stop sends the remaining spans.
func (t *Tracing) Stop() {
	if t.provider == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.log.Warn("failed to send the last spans", "error", err)
	}
}
