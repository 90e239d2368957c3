package main

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestProbed: an enforcer answers what it admits calls by.
func TestProbed(t *testing.T) {
	w := newWorld(t)
	e := w.ready()
	testkit.Must(t, w.redis.SAdd(t.Context(), limiterv1.ProbesKey, "acme").Err())
	testkit.Must(t, w.redis.Publish(t.Context(), limiterv1.ProbesChannel, "acme").Err())
	var answer limiterv1.ProbeAnswer
	testkit.Eventually(t, "the probe is answered", func() bool {
		raw, err := w.redis.HGet(t.Context(), limiterv1.ProbeAnswersKey, "acme").Bytes()
		return err == nil && json.Unmarshal(raw, &answer) == nil
	})
	if why := answer.Contradiction(acme); why != "" || answer.Session != e.session.ID() {
		t.Errorf("session %s found %q, want that of %s to find nothing", answer.Session, why, e.session.ID())
	}
	testkit.Must(t, e.shutDown())
	if n := w.remembered(); n != 0 {
		t.Errorf("Redis remembers %d calls", n)
	}
}

// unsettled is the store of an enforcer that is killed before it settles.
type unsettled struct{ admission.Store }

func (unsettled) Settle(context.Context, admission.SettleRequest) error { return errors.New("killed") }

// TestKilledInAProbe: what a probe of a dead enforcer held is given back, and the
// ledger does not know of it.
func TestKilledInAProbe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	survivor := w.ready()
	victim := w.spawn()
	var epoch limiterv1.Epoch
	raw, err := w.redis.Get(t.Context(), limiterv1.EpochKey).Bytes()
	testkit.Must(t, err)
	testkit.Must(t, json.Unmarshal(raw, &epoch))
	victims := store.New(w.redis, victim.session)
	victims.SetEpoch(epoch)
	tenant, err := admission.NewTenant(acme)
	testkit.Must(t, err)
	if _, err := admission.NewAdmitter(unsettled{victims}).Probe(t.Context(), tenant); err == nil {
		t.Fatal("the probe was settled")
	}
	if counter := w.counter(ofTenant); counter.Held != 1 {
		t.Fatalf("held %s, want a nano-dollar", counter.Held)
	}
	victim.kill()
	w.awaitAdoption(victim.session)
	w.rows(0)
	if counter := w.counter(ofTenant); counter.Held != 0 || counter.Spent != 0 {
		t.Errorf("counted %s spent and %s held, want nothing", counter.Spent, counter.Held)
	}
	w.atRest(nil)
	testkit.Must(t, survivor.shutDown())
}
