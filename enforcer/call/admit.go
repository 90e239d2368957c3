package call

import (
	"context"
	"errors"
	"slices"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// admit has the call admitted and its bound held, or another call in its place, or gives
// the client another answer. It goes on if the client disconnects, because an admission
// without an answer may have taken a hold.
func (c *Call) admit(ctx context.Context) *Problem {
	ctx, c.decideBy = context.WithoutCancel(ctx), time.Now().Add(admitTimeout)
	decision, err := c.askOnLadder(ctx)
	refused := c.noteRefusal(nil, decision)
	for err == nil && decision.Hold == nil && decision.Refusal.ByMoney() && c.boundForNext() {
		decision, err = c.askOnLadder(ctx)
		refused = c.noteRefusal(refused, decision)
	}
	if err == nil && decision.Hold == nil {
		decision, err = c.fit(ctx, refused, decision)
	}
	var unknown *unknownError
	if errors.As(err, &unknown) {
		return unknown.problem
	}
	if errors.Is(err, admission.ErrTooManyLimits) {
		return tooManyLimits(len(c.subject.Groups))
	}
	if err != nil {
		c.calls.Log.Error("failed to decide on a call", "call", c.id, "error", err)
		return c.admitBounded(err)
	}
	c.setRateFields(decision.Rates)
	if decision.Hold == nil {
		return c.fallBack(ctx, decision.Refusal)
	}
	c.admitted(decision)
	return nil
}

// admitBounded has a call admitted that the limiter could not decide about, if the tenant
// has a share for that. The call gets a new ID, because the limiter may have been told of
// the first one. A call that its caller has named is refused: the name stands for its first ID.
func (c *Call) admitBounded(err error) *Problem {
	lost := errors.Is(err, admission.ErrStoreUnavailable) || errors.Is(err, admission.ErrSuspended)
	if !lost || c.claim != nil {
		return storeLost()
	}
	c.id = newID()
	hold, ok := c.calls.Admitter.AdmitBounded(c.tenant, c.asking())
	if !ok {
		return storeLost()
	}
	c.header.Set(CallIDHeader, c.id)
	c.header.Set(StoreLostHeader, "AllowBounded")
	c.calls.Metrics.bounded()
	c.admitted(admission.Result{Hold: hold})
	c.decision = ledgerv1.Bounded
	return nil
}

// askOnLadder asks the limiter, and asks again for the model that the ladder puts
// in the place of another when that has changed.
func (c *Call) askOnLadder(ctx context.Context) (admission.Result, error) {
	decision, err := c.ask(ctx)
	if errors.Is(err, admission.ErrRungChanged) && c.boundForFirst(c.models) == nil {
		return c.ask(ctx)
	}
	return decision, err
}

// ask asks the limiter. While counters are being set, the limiter is suspended, as a
// rule for a moment only: ask tries again until suspendedWait is over.
func (c *Call) ask(ctx context.Context) (admission.Result, error) {
	decision, err := c.askOnce(ctx)
	if !errors.Is(err, admission.ErrSuspended) {
		return decision, err
	}
	for waited := time.After(suspendedWait); errors.Is(err, admission.ErrSuspended); {
		select {
		case <-waited:
			return decision, err
		case <-time.After(suspendedPause):
		}
		if err := c.identifyAgain(ctx); err != nil {
			return decision, err
		}
		decision, err = c.askOnce(ctx)
	}
	return decision, err
}

func (c *Call) askOnce(ctx context.Context) (admission.Result, error) {
	defer c.calls.Metrics.asked(time.Now())
	return c.calls.Admitter.Admit(ctx, c.tenant, c.asking())
}

// asking is the call as the limiter sees it.
func (c *Call) asking() admission.Request {
	return admission.Request{
		ID:         c.id,
		Subject:    c.subject,
		Model:      c.route.Model.Name,
		Downgraded: c.downgraded,
		Fallback:   c.fallback,
		Bound:      c.bounded.Cost,
		Tokens:     c.bounded.Bound.Total(),
		DecideBy:   c.decideBy,
		Entry:      c.opening(),
	}
}

// opening is the call's entry in the ledger, as far as it is known before the
// call is made.
func (c *Call) opening() ledgerv1.Entry {
	why, output := c.lowered()
	return ledgerv1.Entry{
		OpenCall: limiterv1.OpenCall{
			CallID:     c.id,
			Tenant:     c.subject.Tenant,
			User:       c.subject.User,
			Tier:       c.subject.Tier,
			Credential: c.subject.Credential,
			Groups:     c.subject.Groups,
			Labels:     c.subject.Labels,
			Model:      c.route.Model.Name,
			Root:       c.tenant.Document().Root(),
			Ancestors:  c.tenant.Ancestors(),
			Tokens:     c.bounded.Bound.Total(),
		},
		IdentityProvider: c.subject.IdentityProvider,
		Subject:          c.subject.Subject,
		Actor:            c.subject.Actor,
		Provider:         c.route.Provider.Name,
		ModelAsked:       c.asked.model,
		ModelUsed:        c.route.Model.UpstreamName,
		Endpoint:         c.Endpoint.Path(),
		Streamed:         c.asked.streamed,
		Session:          c.calls.Session,
		Held:             c.bounded.Cost,
		PricedAs:         c.pricing(),
		OutputLoweredBy:  why,
		MaxOutputTokens:  output,
	}
}

// admitted notes that the call has its hold, and tells the client how it came by it.
func (c *Call) admitted(decision admission.Result) {
	c.hold, c.heldFrom = decision.Hold, time.Now()
	switch {
	case c.fallback:
		c.decision = ledgerv1.Fallback
	case decision.Refusal != nil:
		c.decision = ledgerv1.Shadowed
	case slices.Contains(c.tenant.Document().VirtualModels[c.asked.model], c.route.Model.Name):
		c.decision = ledgerv1.Chosen
	case c.route.Model.Name != c.asked.model:
		c.decision = ledgerv1.Replaced
	default:
		c.decision = ledgerv1.Admitted
	}
	c.setDecisionFields(decision)
	c.calls.open.Add(1)
	c.calls.Metrics.admitted()
}

// setDecisionFields tells the client how its call was admitted, where that may not be as it asked.
func (c *Call) setDecisionFields(decision admission.Result) {
	if used := c.route.Model.Name; used != c.asked.model {
		c.header.Set(ModelHeader, used)
	}
	if pricing := c.pricing(); pricing != "" {
		c.header.Set(PricedAsHeader, string(pricing))
	}
	c.setOutputFields()
	if nearest := decision.Nearest; nearest != nil {
		c.header.Set(LimitHeader, nearest.Limit.Name)
		c.header.Set(LeftHeader, max(0, nearest.Left).String())
	}
	if decision.Refusal != nil {
		shadowed := notAdmitted(decision.Refusal, "")
		c.header.Set(ShadowHeader, shadowed.Code)
		c.calls.Metrics.shadowed(shadowed)
	}
}
