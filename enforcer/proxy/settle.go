package proxy

import (
	"context"
	"errors"
	"time"

	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/enforcer/retry"
)

// end ends the call's claim and its hold, if it has them, off the client's path.
func (p *Proxy) end(c *call) {
	defer p.endClaim(c)
	if c.hold == nil {
		return
	}
	entry, tokens := p.closing(c)
	go func() {
		defer p.calls.Done()
		p.settle(c, entry, tokens)
	}()
}

// closing is the call's entry in the ledger, and how many tokens it used of those
// that it was admitted with.
func (p *Proxy) closing(c *call) (entry ledger.Entry, tokens int64) {
	now := time.Now()
	entry = p.opening(c)
	entry.Decision = c.decision
	entry.AdmittedAt = c.hold.AdmittedAt()
	entry.SettledAt = entry.AdmittedAt.Add(now.Sub(c.heldFrom))
	entry.Duration = now.Sub(c.arrived)
	if first := c.progress.firstToken; !first.IsZero() {
		wait := first.Sub(c.arrived)
		entry.TimeToFirstToken = &wait
	}
	tokens = c.charge(&entry)
	return entry, tokens
}

// charge says how the call ended and what it cost, and returns its tokens: nothing
// where the provider was not asked or refused, what it says was used where that
// can be believed, and the hold where nobody knows.
func (c *call) charge(entry *ledger.Entry) (tokens int64) {
	if c.voided() {
		entry.Outcome = ledger.Voided
		return 0
	}
	if usage := c.progress.usage; usage != nil {
		if cost, err := c.model.Prices.Cost(*usage); err == nil {
			entry.Outcome, entry.Cost, entry.Usage = ledger.Settled, cost, *usage
			return usage.Total()
		}
	}
	entry.Outcome, entry.Cost = ledger.ChargedHold, c.hold.Bound()
	return c.bounded.Bound.Total()
}

// voided is whether the call costs nothing, as far as it has come: it was not made,
// or the provider refused it.
func (c *call) voided() bool {
	return c.hold == nil || !c.progress.sent || c.progress.status >= 300
}

// settle posts the cost, tries until that is done, and then hands the entry to the
// ledger: what the ledger has, the counters have.
func (p *Proxy) settle(c *call, entry ledger.Entry, tokens int64) {
	ended := time.Now()
	record := entry.Encode()
	span := p.startAfter(c, "settle")
	logged := false
	fenced := false
	err := retry.Until(p.settling, func(ctx context.Context) error {
		err := c.hold.Settle(ctx, entry.Cost, tokens, record)
		if fenced = errors.Is(err, admission.ErrFenced); fenced {
			return nil
		}
		return err
	}, func(err error, _ time.Duration) {
		if !logged {
			p.Log.Error("a call cannot be settled yet", "call", c.id, "error", err)
			logged = true
		}
	})
	endSettle(span, &entry, err)
	if err != nil {
		p.givenUp.Add(1)
		p.Log.Error("a call was not settled: its hold stays, to be charged in full", "error", err, "entry", string(record))
		return
	}
	defer c.hold.Done()
	if fenced {
		p.Log.Error("this session was declared dead: another has charged the call its hold", "call", c.id)
		return
	}
	p.Metrics.settled(entry, ended)
	p.record(c, entry)
}
