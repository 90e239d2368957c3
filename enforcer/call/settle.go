package call

import (
	"context"
	"errors"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/retry"
)

// closing is the call's entry in the ledger when it has ended, and how many tokens it used
// of those that it was admitted with.
func (c *Call) closing(ended time.Time) (entry ledgerv1.Entry, tokens int64) {
	entry = c.opening()
	entry.Decision = c.decision
	entry.AdmittedAt = c.hold.AdmittedAt()
	entry.SettledAt = entry.AdmittedAt.Add(ended.Sub(c.heldFrom))
	entry.Duration = ended.Sub(c.arrived)
	if first := c.forward.firstToken; !first.IsZero() {
		wait := first.Sub(c.arrived)
		entry.TimeToFirstToken = &wait
	}
	tokens = c.charge(&entry)
	return entry, tokens
}

// charge says how the call ended and what it cost, and returns its tokens. The cost is
//   - nothing, if the provider was not asked, or refused and reports no usage;
//   - that of the usage that the provider reports, if that can be believed;
//   - that of the most that can have been used, by what was seen of an answer that was cut off;
//   - otherwise the hold, or the tokens of a usage that is not believed, if they cost more.
func (c *Call) charge(entry *ledgerv1.Entry) (tokens int64) {
	usage := c.forward.usage
	if c.voided() && usage == nil {
		entry.Outcome = ledgerv1.Voided
		return 0
	}
	if usage != nil {
		if cost, err := c.model.Prices.Cost(*usage); err == nil {
			entry.Outcome, entry.Cost, entry.Usage, entry.Saved = ledgerv1.Settled, cost, *usage, c.saved(*usage, cost)
			return usage.Total()
		}
	}
	if tokens, ok := c.chargeSeen(entry); ok {
		return tokens
	}
	entry.Outcome, entry.Cost, tokens = ledgerv1.ChargedHold, c.hold.Bound(), c.bounded.Bound.Total()
	if cost, err := c.model.Prices.Cost(c.forward.atLeast); err == nil && cost > entry.Cost {
		entry.Cost, tokens = cost, max(tokens, c.forward.atLeast.Total())
	}
	return tokens
}

// saved is how much more than cost the usage would have cost with the model that was asked for,
// if a rung of the ladder or a fallback has put another in its place; 0 if that is unknown.
func (c *Call) saved(usage price.Usage, cost money.Nanos) money.Nanos {
	if c.decision != ledgerv1.Replaced && c.decision != ledgerv1.Fallback {
		return 0
	}
	route, listed := c.calls.Config.Route(c.asked.model)
	if !listed {
		return 0
	}
	usage.Billed = 0
	would, err := route.Model.At(c.limiterTime()).Prices.Cost(usage)
	if err != nil {
		return 0
	}
	return max(0, would-cost)
}

// chargeSeen charges what was seen, unless it is as much as the hold.
func (c *Call) chargeSeen(entry *ledgerv1.Entry) (tokens int64, ok bool) {
	seen := c.forward.seen
	if seen == nil {
		return 0, false
	}
	cost, err := c.bounded.Dearest(*seen)
	if err != nil || cost == c.hold.Bound() {
		return 0, false
	}
	entry.Outcome, entry.Cost, entry.Usage = ledgerv1.ChargedSeen, cost, *seen
	if entry.Usage.ServiceTier == price.Default {
		entry.Usage.ServiceTier = ""
	}
	return seen.Total(), true
}

// voided is whether the call costs nothing, as far as it has come: it was not made,
// or the provider refused it.
func (c *Call) voided() bool {
	return c.hold == nil || !c.forward.sent || c.forward.status >= 300
}

// settlement is what came of settling a call.
type settlement int

const (
	// settled: the cost is posted.
	settled settlement = iota
	// late: this session was declared dead, and another may have ended the hold. In the
	// ledger, the cost takes the place of what that session has charged.
	late
	// givenUp: the hold stays until the session's adopter charges it in full.
	givenUp
)

// settle posts the cost, and tries until that is done.
func (c *Call) settle(entry *ledgerv1.Entry, tokens int64) settlement {
	ended := time.Now()
	span := c.startAfter(settleStep)
	result, err := c.post(entry, tokens)
	endSettle(span, entry, err)
	switch result {
	case settled:
		c.calls.Metrics.settled(entry, ended)
	case late:
		c.calls.Metrics.settled(entry, ended)
		c.calls.Log.Warn("this session was declared dead before the call ended: the ledger is told its true cost", "call", c.id)
	case givenUp:
		c.calls.giveUpOn(*entry)
		c.calls.Log.Error("a call was not settled in the limiter's store", "call", c.id, "error", err)
	}
	return result
}

// post ends the hold with what the call has cost. An error is why that was given up.
func (c *Call) post(entry *ledgerv1.Entry, tokens int64) (result settlement, err error) {
	logged := false
	err = retry.UntilBounded(c.calls.settling, func(ctx context.Context) error {
		err := c.hold.Settle(ctx, entry.Cost, tokens, entry)
		if errors.Is(err, admission.ErrFenced) {
			result = late
			return nil
		}
		return err
	}, func(err error, _ time.Duration) {
		if !logged {
			c.calls.Log.Error("failed to settle a call; will retry", "call", c.id, "error", err)
			logged = true
		}
	})
	if err != nil {
		return givenUp, err
	}
	return result, nil
}
