package main

import (
	"context"
	"errors"
	"testing"

	"github.com/bursar-dev/bursar/enforcer/admission"
)

// losesAnswers is a store that admits calls and loses the answers, and whose
// settlements fail until the enforcer shuts down.
type losesAnswers struct {
	admission.Store
	shuttingDown func() bool
}

var errLost = errors.New("the answer was lost")

func (s losesAnswers) Admit(ctx context.Context, r admission.AdmitRequest) (admission.AdmitReply, error) {
	if _, err := s.Store.Admit(ctx, r); err != nil {
		return admission.AdmitReply{}, err
	}
	return admission.AdmitReply{}, errLost
}

func (s losesAnswers) Settle(ctx context.Context, r admission.SettleRequest) error {
	if !s.shuttingDown() {
		return errLost
	}
	return s.Store.Settle(ctx, r)
}

// TestShutdownVoidsAbandonedCalls: what an admission holds whose answer never came
// is free when the enforcer has ended.
func TestShutdownVoidsAbandonedCalls(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	e.admitter.Use(losesAnswers{e.limiter.Load(), e.shuttingDown.Load})
	if got := e.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]")); got.status != 503 {
		t.Fatalf("a call whose admission gets no answer: %d %s", got.status, got.body)
	}
	if got := w.counter(ofTenant); got.Held == 0 {
		t.Fatal("the admission that got no answer has taken no hold")
	}
	if err := e.shutDown(); err != nil {
		t.Fatal(err)
	}
	if got := w.counter(ofTenant); got.Held != 0 || got.Spent != 0 {
		t.Errorf("after the shutdown %s are held and %s are spent, want neither", got.Held, got.Spent)
	}
}
