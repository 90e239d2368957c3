package call

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// Spans are named for the steps of a call, except the one that the GenAI
// conventions name. They never have what is in a call, a credential, or a text that a
// client has chosen. Without a tracer nothing is done for them.

// startTrace begins the span of a call, as a part of its caller's trace, if it is one.
// The provider is not told of the trace.
func (c *Call) startTrace() {
	if c.calls.Tracer == nil {
		return
	}
	route := c.Endpoint.Path() // the path and the query of the request may have what its client has chosen
	parent := propagation.TraceContext{}.Extract(context.Background(), carrier{c.Header})
	_, c.span = c.calls.Tracer.Start(parent, c.Method+" "+route, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("http.request.method", c.Method),
		attribute.String("http.route", route)))
}

// carrier carries a trace in the header of a request. It is only read.
type carrier struct{ protocol.HeaderView }

func (c carrier) Get(name string) string {
	if values := c.Values(name); len(values) > 0 {
		return values[0]
	}
	return ""
}

func (carrier) Set(string, string) {}
func (carrier) Keys() []string     { return nil }

// traced is a context within the span of the call, if there is one.
func (c *Call) traced(ctx context.Context) context.Context {
	if c.span == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, c.span)
}

// startForward begins the span of the step that the door takes.
func (c *Call) startForward(ctx context.Context) {
	if c.span == nil {
		return
	}
	name := strings.TrimSpace(c.Endpoint.Operation() + " " + c.tracedModel())
	_, c.forward.span = c.calls.Tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient))
}

// endForward ends the span of that step, if it was begun and has not ended; problem is
// why the step has failed, nil where it has not.
func (c *Call) endForward(problem *Problem) {
	span := c.forward.span
	if span == nil {
		return
	}
	c.forward.span = nil
	span.SetAttributes(c.forwarded()...)
	if problem != nil {
		fail(span, problem)
	}
	span.End()
}

// fail says in a span why the call was refused there.
func fail(span trace.Span, problem *Problem) {
	span.SetStatus(codes.Error, problem.Title)
	span.SetAttributes(attribute.String("error.type", problem.Code))
}

// tracedModel is the name of the model as the provider knows it; empty where no
// ModelProvider lists it, and the client has chosen it.
func (c *Call) tracedModel() string {
	if c.route.Model.Unlisted {
		return ""
	}
	return c.route.Model.UpstreamName
}

// forwarded are the conventions' attributes of a call that was forwarded.
func (c *Call) forwarded() []attribute.KeyValue {
	attributes := []attribute.KeyValue{
		attribute.String("gen_ai.operation.name", c.Endpoint.Operation()),
		attribute.String("gen_ai.provider.name", c.Endpoint.Protocol().TraceName()),
		attribute.Bool("gen_ai.request.stream", c.asked.streamed),
		attribute.String("bursar.provider", c.route.Provider.Name),
	}
	if model := c.tracedModel(); model != "" {
		attributes = append(attributes, attribute.String("gen_ai.request.model", model))
	}
	if c.forward.status != 0 {
		attributes = append(attributes, attribute.Int("http.response.status_code", c.forward.status))
	}
	if usage := c.forward.usage; usage != nil {
		attributes = append(attributes,
			attribute.Int64("gen_ai.usage.input_tokens", usage.TotalInput()),
			attribute.Int64("gen_ai.usage.output_tokens", usage.Total()-usage.TotalInput()))
	}
	return attributes
}

// endTrace ends the span of a call. Who calls is in the ledger, under the call's id.
func (c *Call) endTrace() {
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
	status := c.forward.status
	if problem := c.problem(); problem != nil {
		fail(c.span, problem)
		status = problem.Status
	}
	if status != 0 {
		c.span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	c.span.End()
}

// startAfter begins a span of what is done for a call after its answer; nil without a
// tracer.
func (c *Call) startAfter(step string) trace.Span {
	if c.span == nil {
		return nil
	}
	_, span := c.calls.Tracer.Start(trace.ContextWithSpan(c.calls.settling, c.span), step)
	return span
}

// endSettle ends the span of a settlement, if there is one.
func endSettle(span trace.Span, entry *ledgerv1.Entry, err error) {
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
