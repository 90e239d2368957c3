package proxy

import (
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/bursar-dev/bursar/enforcer/ledger"
)

// Spans are named for the steps of the way of a call, but for the one that the GenAI
// conventions name. They never have what is in a call, a credential, or a text that a
// client has chosen. Without a tracer nothing is done for them.

// forwardStep is the step that calls the provider.
const forwardStep = "forward"

// startTrace begins the span of a call, as a part of its caller's trace, if it is one.
// The provider is not told of the trace.
func (p *Proxy) startTrace(c *call, r *http.Request) *http.Request {
	if p.Tracer == nil {
		return r
	}
	route := c.endpoint.Path() // the path and the query of the request may have what its client has chosen
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, c.span = p.Tracer.Start(ctx, r.Method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", r.Method),
		attribute.String("http.route", route)))
	return r.WithContext(ctx)
}

// take takes a step, and makes a span of it.
func (p *Proxy) take(s step, c *call, w http.ResponseWriter, r *http.Request) *refusal {
	if c.span == nil {
		return s.take(c, w, r)
	}
	name, kind := s.name, trace.SpanKindInternal
	if name == forwardStep {
		name, kind = strings.TrimSpace(c.endpoint.Operation()+" "+c.tracedModel()), trace.SpanKindClient
	}
	ctx, span := p.Tracer.Start(r.Context(), name, trace.WithSpanKind(kind))
	defer span.End() // also when the step panics, to cut the answer off
	if kind == trace.SpanKindClient {
		defer func() { span.SetAttributes(c.forwarded()...) }()
	}
	refused := s.take(c, w, r.WithContext(ctx))
	if refused != nil {
		fail(span, refused)
	}
	return refused
}

// fail says in a span why the call was refused there.
func fail(span trace.Span, refused *refusal) {
	span.SetStatus(codes.Error, refused.title)
	span.SetAttributes(attribute.String("error.type", refused.code))
}

// tracedModel is the name of the model as the provider knows it; empty where no
// ModelProvider lists it, and the client has chosen it.
func (c *call) tracedModel() string {
	if c.route.Model.Unlisted {
		return ""
	}
	return c.route.Model.UpstreamName
}

// forwarded are the conventions' attributes of a call that was forwarded.
func (c *call) forwarded() []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		attribute.String("gen_ai.operation.name", c.endpoint.Operation()),
		attribute.String("gen_ai.provider.name", c.endpoint.Protocol().TraceName()),
		attribute.Bool("gen_ai.request.stream", c.request.Streamed()),
		attribute.String("bursar.provider", c.route.Provider.Name),
	}
	if model := c.tracedModel(); model != "" {
		attributes = append(attributes, attribute.String("gen_ai.request.model", model))
	}
	if c.progress.status != 0 {
		attributes = append(attributes, attribute.Int("http.response.status_code", c.progress.status))
	}
	if usage := c.progress.usage; usage != nil {
		attributes = append(attributes,
			attribute.Int64("gen_ai.usage.input_tokens", usage.TotalInput()),
			attribute.Int64("gen_ai.usage.output_tokens", usage.Total()-usage.TotalInput()))
	}
	return attributes
}

// endTrace ends the span of a call. Who calls is in the ledger, under the call's id.
func (c *call) endTrace() {
	if c.span == nil {
		return
	}
	c.span.SetAttributes(attribute.String("bursar.call.id", c.id)) // the last one that it had
	if c.tenant != nil {
		c.span.SetAttributes(attribute.String("bursar.tenant", c.subject.Tenant))
	}
	if c.hold != nil {
		c.span.SetAttributes(
			attribute.String("bursar.decision", string(c.decision)),
			attribute.Int64("bursar.held_nanos", int64(c.hold.Bound())))
	}
	status := c.progress.status
	if c.refused != nil {
		fail(c.span, c.refused)
		status = c.refused.status
	}
	if status != 0 {
		c.span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	c.span.End()
}

// startAfter begins a span of what is done for a call after its answer; nil without a
// tracer.
func (p *Proxy) startAfter(c *call, name string) trace.Span {
	if c.span == nil {
		return nil
	}
	_, span := p.Tracer.Start(trace.ContextWithSpan(p.settling, c.span), name)
	return span
}

// endSettle ends the span of a settlement, if there is one.
func endSettle(span trace.Span, entry *ledger.Entry, err error) {
	if span == nil {
		return
	}
	span.SetAttributes(
		attribute.String("bursar.outcome", string(entry.Outcome)),
		attribute.Int64("bursar.cost_nanos", int64(entry.Cost)))
	if err != nil {
		span.SetStatus(codes.Error, "not settled")
	}
	span.End()
}

// record hands a settled call to the ledger.
func (p *Proxy) record(c *call, entry ledger.Entry) {
	if span := p.startAfter(c, "record"); span != nil {
		defer span.End()
	}
	p.Ledger.Add(entry)
}
