package call

import (
	"context"
	"maps"
	"time"

	"go.opentelemetry.io/otel/trace"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// The way of a call:
//
//	identify   who calls, and who pays               identify.go
//	read       what is asked for                     read.go
//	claim      whether it was asked before           claim.go
//	bound      which model, and the most it costs    bound.go, unlisted.go
//	admit      whether that may be spent             admit.go, fallback.go
//	forward    the door asks the provider            forward.go
//	settle     what it has cost                      settle.go
//	record     for the ledger                        below
//
// The first five are taken in turn by Admit, until one of them refuses or answers the
// call. The last two are taken off the client's path, once the call has ended.

// step is a step that Admit takes. It returns why the call goes no further; nil when it
// does, or when the step has answered it.
type step struct {
	name string
	take func(*Call, context.Context) *Problem
}

var steps = []step{
	{"identify", (*Call).identify},
	{"read", (*Call).read},
	{"claim", (*Call).claimName},
	{"bound", (*Call).bound},
	{"admit", (*Call).admit},
}

// The names of the steps that are taken later.
const (
	forwardStep = "forward"
	settleStep  = "settle"
	recordStep  = "record"
)

// Admit takes the steps until the call may be made, and returns what is to be forwarded;
// or else what the client gets instead: a refusal, or an answer that needs no provider.
// ctx is the client's: it may end while the body is read, and does not interrupt an
// admission.
// REQUIRES: it is called once.
func (c *Call) Admit(ctx context.Context) (*Forward, *Response) {
	ctx = c.traced(ctx)
	for _, step := range steps {
		if problem := c.take(ctx, step); problem != nil {
			return nil, c.refuse(problem)
		}
		if c.answered != nil {
			return nil, c.answered
		}
	}
	c.startForward(ctx)
	p := c.Endpoint.Protocol()
	header := forwardedHeader(c.id, c.Header, p)
	maps.Copy(header, c.bounded.Header)
	return &Forward{
		Protocol: p, Provider: c.route.Provider, Path: c.bounded.Path,
		Header: header, Body: c.bounded.Body(),
		ToItsEnd: c.claim != nil || c.route.Provider.OnClientGone == limiterv1.Drain,
	}, nil
}

// take takes a step, and makes a span of it.
func (c *Call) take(ctx context.Context, s step) *Problem {
	if c.span == nil {
		return s.take(c, ctx)
	}
	ctx, span := c.calls.Tracer.Start(ctx, s.name, trace.WithSpanKind(trace.SpanKindInternal))
	defer span.End() // also when the step panics
	problem := s.take(c, ctx)
	if problem != nil {
		fail(span, problem)
	}
	return problem
}

// refuse refuses the call.
func (c *Call) refuse(problem *Problem) *Response {
	c.free()
	c.calls.Metrics.refused(problem)
	c.answered = problem.response(c.header, c.Endpoint.Protocol())
	c.recording.whole(c.answered)
	return c.answered
}

// End ends the call: its hold and its claim, if it has them, off the client's path. To
// call it again does nothing. What was forwarded and is not finished counts as unknown.
func (c *Call) End() {
	if c.ended {
		return
	}
	c.ended = true
	defer c.endTrace()
	c.endForward(nil)
	defer c.endClaim()
	c.letGo()
	if c.hold == nil {
		return
	}
	entry, tokens := c.closing(time.Now())
	go func() {
		defer c.calls.open.Done()
		switch c.settle(&entry, tokens) {
		case settled, late:
			c.record(entry)
			c.hold.Done()
		case givenUp:
		}
	}()
}

// record hands a call to the ledger. It must be settled, so that the counters have all that the
// ledger has.
func (c *Call) record(entry ledgerv1.Entry) {
	if span := c.startAfter(recordStep); span != nil {
		defer span.End()
	}
	c.calls.Ledger.Add(entry)
}
