package call

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// maxFits is how often the output of a call is lowered for one model. Each limit that
// refuses lowers it once, and calls that are admitted meanwhile may do so again.
const maxFits = 4

// outputLimits are the bounds on the output of a call of the model that are not in its request.
func (c *Call) outputLimits(model string) protocol.OutputLimits {
	document := c.tenant.Document()
	limits := protocol.OutputLimits{Assumed: document.AssumedOutputTokens, Cap: document.OutputCap(c.subject.Caller(), model)}
	if c.fitted > 0 && (limits.Cap == 0 || c.fitted < limits.Cap) {
		limits.Cap = c.fitted
	}
	return limits
}

// lowered is why the call asks for less output than its request does, and for how many tokens;
// empty if it does not.
func (c *Call) lowered() (why ledgerv1.Lowering, output int64) {
	switch output := c.bounded.Output; {
	case output.Tokens >= output.Uncapped:
		return "", 0
	case c.fitted > 0:
		return ledgerv1.LoweredByFit, output.Tokens
	default:
		return ledgerv1.LoweredByCaps, output.Tokens
	}
}

// setOutputFields tells the client if its call asks for less output than its request does.
func (c *Call) setOutputFields() {
	if why, output := c.lowered(); why != "" {
		c.header.Set(MaxOutputHeader, strconv.FormatInt(output, 10))
		c.header.Set(LoweredByHeader, string(why))
	}
}

// size is how large a call is for the limits.
type size struct {
	output protocol.OutputBound
	cost   money.Nanos
	tokens int64
}

// size is that of the call with its present bound.
func (c *Call) size() size { return size{c.bounded.Output, c.bounded.Cost, c.bounded.Bound.Total()} }

// tooLarge is a call of a model that was refused when its output was not lowered yet.
type tooLarge struct {
	model      string
	downgraded bool
	whole      size
	refusal    *admission.Refusal
}

// noteRefusal adds the call with its present bound, if it was refused and may be fitted.
func (c *Call) noteRefusal(to []tooLarge, decision admission.Result) []tooLarge {
	if decision.Refusal == nil || decision.Hold != nil || c.tenant.Document().FitOutputTokens == 0 {
		return to
	}
	return append(to, tooLarge{c.route.Model.Name, c.downgraded, c.size(), decision.Refusal})
}

// fit has a refused call admitted with less output, for the first of its models for which
// there is room. Otherwise it returns the decision that it was given; or, if waiting would not
// help there, the refusal of a smaller call, which says how long to wait. The call's route and
// bound are those of the decision that it returns.
func (c *Call) fit(ctx context.Context, refused []tooLarge, decision admission.Result) (admission.Result, error) {
	least := c.tenant.Document().FitOutputTokens
	if least == 0 {
		return decision, nil
	}
	restore := c.binding()
	for _, r := range refused {
		lowered, err := c.fitModel(ctx, r, max(least, r.whole.output.Least))
		if err != nil || lowered.Hold != nil {
			return lowered, err
		}
		if lowered.Refusal != nil && decision.Refusal.NeverFits() && !lowered.Refusal.NeverFits() {
			decision, restore = lowered, c.binding()
		}
	}
	restore()
	c.fitted = 0
	return decision, nil
}

// binding returns a function that restores the present route and bound of the call.
func (c *Call) binding() (restore func()) {
	route, model, bounded, downgraded := c.route, c.model, c.bounded, c.downgraded
	return func() { c.route, c.model, c.bounded, c.downgraded = route, model, bounded, downgraded }
}

// fitModel lowers the output of a refused call of one model, never below the least, until the
// call is admitted or there is no room. Its result is empty if the limiter was not asked.
func (c *Call) fitModel(ctx context.Context, r tooLarge, least int64) (decision admission.Result, err error) {
	if !lowers(r.refusal) || r.whole.output.Tokens <= least || !c.bindWith(r, least) {
		return decision, nil
	}
	low := c.size()
	for refusal, try := r.refusal, 0; try < maxFits; try++ {
		output := outputFor(refusal, low, r.whole)
		if output == 0 || !c.bindWith(r, output) {
			return decision, nil
		}
		decision, err = c.ask(ctx)
		if errors.Is(err, admission.ErrRungChanged) {
			return admission.Result{}, nil // the ladder asks for another model now
		}
		if err != nil || decision.Hold != nil {
			return decision, err
		}
		refusal = decision.Refusal
	}
	return decision, nil
}

// bindWith bounds the call for the model that was refused, with at most the given output, in
// tokens, and reports whether the request is valid with that.
func (c *Call) bindWith(r tooLarge, output int64) bool {
	c.fitted, c.downgraded = output, r.downgraded
	return c.boundFor(r.model) == nil
}

// lowers is whether a call that was refused may be admitted with less output.
func lowers(r *admission.Refusal) bool {
	return isOfTokens(r) || r.Reason == ledgerv1.BudgetExhausted && (r.Left() > 0 || r.NeverFits())
}

// isOfTokens is whether a rate limit of tokens has refused.
func isOfTokens(r *admission.Refusal) bool { return r.Unit == limiterv1.Tokens }

// outputFor is the most output for which a limit that refused a call has room, from low,
// the call with the least, to whole, the call that it refused; 0 if it has none. If whole
// never fits, and low would only have to wait, it is the output of low, so that the limiter
// says how long to wait.
func outputFor(r *admission.Refusal, low, whole size) int64 {
	var output int64
	var waits bool
	switch {
	case !lowers(r):
		return 0
	case isOfTokens(r):
		output, waits = outputInTokens(r.Remaining, low, whole), low.tokens <= r.Burst
	default:
		output, waits = outputInMoney(r.Left(), low, whole), low.cost <= r.Amount
	}
	if output == 0 && waits && r.NeverFits() {
		return low.output.Tokens
	}
	return output
}

// outputInMoney is the most output, from that of low to that of whole, for which there is
// room; 0 if there is none.
func outputInMoney(room money.Nanos, low, whole size) int64 {
	if room > low.cost {
		room-- // costs are rounded up
	}
	return outputIn(int64(room), int64(low.cost), int64(whole.cost), low, whole)
}

// outputInTokens is outputInMoney for a room of tokens.
func outputInTokens(room int64, low, whole size) int64 {
	return outputIn(room, low.tokens, whole.tokens, low, whole)
}

// outputIn finds the output that needs so much room on the straight line from what low
// needs to what whole needs. No call between them needs more than the line says: each token
// of output costs as much as the last one, or, where a dearer price list takes over, more.
func outputIn(room, needLow, needWhole int64, low, whole size) int64 {
	switch {
	case room < needLow:
		return 0
	case room >= needWhole:
		return whole.output.Tokens
	}
	high, product := bits.Mul64(uint64(whole.output.Tokens-low.output.Tokens), uint64(room-needLow))
	more, _ := bits.Div64(high, product, uint64(needWhole-needLow))
	return low.output.Tokens + int64(more)
}

// advice is what to do about the refusal of a call, which still has the bound that was refused:
// one sentence, or none.
func (c *Call) advice(r *admission.Refusal) string {
	if r.Reason != ledgerv1.BudgetExhausted && r.Reason != ledgerv1.TooLarge {
		return ""
	}
	var ways []string
	if fewer := c.fewerOutput(r); fewer != "" {
		ways = append(ways, fewer)
	}
	switch {
	case r.NeverFits() && len(ways) == 0:
		ways = append(ways, "send less input", "have the limit raised")
	case !r.NeverFits() && r.Held > 0 && r.Bound <= r.Amount-r.Spent:
		ways = append(ways, "wait until calls in flight end")
	}
	if len(ways) == 0 {
		return ""
	}
	return " " + sentence(strings.Join(ways, ", or "))
}

// fewerOutput is the advice to ask for so little output that the limit has room; empty
// where it has none for any.
func (c *Call) fewerOutput(r *admission.Refusal) string {
	whole := c.size()
	if !isOfTokens(r) && r.Left() <= 0 || whole.output.Tokens <= whole.output.Least {
		return ""
	}
	restore := c.binding()
	defer func() { restore(); c.fitted = 0 }()
	if !c.bindWith(tooLarge{model: c.route.Model.Name, downgraded: c.downgraded}, whole.output.Least) {
		return ""
	}
	low := c.size()
	output := outputInMoney(r.Left(), low, whole)
	if isOfTokens(r) {
		output = outputInTokens(r.Burst, low, whole)
	}
	if output == 0 {
		return ""
	}
	way := whole.output.Param
	if !whole.output.Named {
		way += ", or assumedOutputTokens in the TenantBudget"
	}
	return fmt.Sprintf("ask for at most %d output tokens (%s)", output, way)
}
