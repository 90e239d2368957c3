package call

import (
	"context"
	"fmt"
	"slices"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// bound finds the model, and the most that the call can cost there.
func (c *Call) bound(context.Context) *Problem {
	return c.boundForFirst(c.tenant.Document().ModelsFor(c.asked.model))
}

// boundForFirst bounds the call for the first of the models that can do what is
// asked for. If none can, it returns the refusal of the first.
func (c *Call) boundForFirst(models []string) (why *Problem) {
	for i := range models {
		problem := c.boundOnLadder(models[i])
		if problem == nil {
			c.models = models[i:]
			return nil
		}
		if why == nil {
			why = problem
		}
	}
	return why
}

// boundForNext bounds the call for the next of its models that can do it, if any.
func (c *Call) boundForNext() bool {
	next := c.models[1:]
	return len(next) > 0 && c.boundForFirst(next) == nil
}

// boundOnLadder bounds the call for a model, or for the one that the ladder puts in
// its place.
func (c *Call) boundOnLadder(asked string) *Problem {
	model, downgraded := c.tenant.ModelFor(c.subject.User, asked)
	c.downgraded = downgraded
	if model != asked && c.boundFor(model) == nil {
		return nil
	}
	// The model that was asked for is called, too, if its replacement cannot do what is asked for.
	return c.boundFor(asked)
}

func (c *Call) boundFor(model string) *Problem {
	route, problem := c.routeTo(model)
	if problem != nil {
		return problem
	}
	now := c.limiterTime()
	priced := route.Model.At(now)
	if problem := unpricedFor(&route.Provider, priced, c.request); problem != nil {
		return problem
	}
	priced.Billing = route.Provider.Billing(now)
	bounded, err := c.request.For(priced, c.outputLimits(priced.Name))
	if err != nil {
		return badRequest(err)
	}
	if passesLeftOut(&route.Provider, c.request) {
		bounded.Header = nil
	}
	c.route, c.model, c.bounded = route, priced, bounded
	return nil
}

// limiterTime is the best guess of the limiter's time for the tenant that pays.
func (c *Call) limiterTime() time.Time {
	return c.calls.Admitter.Now(c.tenant.Document().Root())
}

// unpricedFor refuses a request that asks for something whose cost is not bounded, and
// which the provider's ModelProvider does not say may be passed on.
func unpricedFor(provider *limiterv1.Provider, model limiterv1.Model, request protocol.ParsedRequest) *Problem {
	for _, unpriced := range request.Unpriced() {
		if !unpriced.For(model) || provider.Passes(unpriced.Field) {
			continue
		}
		problem := badRequest(&unpriced.RequestError)
		problem.Message += howToAllow(unpriced, model.Name, provider.Name)
		return problem
	}
	return nil
}

// passesLeftOut reports whether the provider's ModelProvider passes on a part of the request that
// would be left out otherwise.
func passesLeftOut(provider *limiterv1.Provider, request protocol.ParsedRequest) bool {
	return slices.ContainsFunc(request.Unpriced(), func(u protocol.Unpriced) bool { return u.LeftOut && provider.Passes(u.Field) })
}

func howToAllow(unpriced protocol.Unpriced, model, provider string) string {
	switch {
	case unpriced.Unbounded:
		return fmt.Sprintf(" To allow it, add a fee %q with usesPerCall to prices.fees of model %s in ModelProvider %s.", unpriced.Fee, model, provider)
	case unpriced.Fee != "":
		return fmt.Sprintf(" To allow it, add a fee %q to prices.fees of model %s in ModelProvider %s.", unpriced.Fee, model, provider)
	case unpriced.Property != "":
		return fmt.Sprintf(" To allow it, add a factor of %s %q to prices.multipliers of model %s in ModelProvider %s.",
			unpriced.Property, unpriced.Value, model, provider)
	case unpriced.PricedBy != "":
		return fmt.Sprintf(" To allow it, set prices.%s of model %s in ModelProvider %s.", unpriced.PricedBy, model, provider)
	}
	return fmt.Sprintf(" To allow it, add %q to spec.passFields of ModelProvider %s. Bursar then does not count what it costs beyond tokens.",
		unpriced.Field, provider)
}
