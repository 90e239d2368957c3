package call

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// fallBack tries the tenant's fallbacks in the place of a call that was refused, in
// their order, and refuses the call if none has an answer. A fallback that makes another
// call has it admitted. If that had to wait, and the caller may not call any more, no
// fallback answers. The refusal is put on record in any case.
func (c *Call) fallBack(ctx context.Context, refused *admission.Refusal) *Problem {
	why := c.refusal(refused)
	record := c.refusalRecord(refused) // of the call as it was refused: a fallback may change its model and bound
	defer func() { c.calls.Refusals.Add(record) }()
	if !refused.ByMoney() {
		return why
	}
	for _, fallback := range c.tenant.Document().Fallbacks() {
		answers, problem := c.try(ctx, fallback)
		if problem != nil {
			return problem
		}
		if answers {
			record.Fallback = fallback.Kind
			c.calls.Metrics.fellBack(fallback.Kind, why)
			return nil
		}
	}
	return why
}

// refusal is the refusal of the call by a limit. One for money is built once for all calls that
// are refused with the same words.
func (c *Call) refusal(refused *admission.Refusal) *Problem {
	words := refusalWords{
		refusal: *refused, advice: c.advice(refused), owners: c.ownersWords(refused),
		status: int(c.tenant.Document().BudgetRefusalStatus), protocol: c.Endpoint.Protocol().Name(),
	}
	if !refused.ByMoney() {
		return words.build()
	}
	return c.calls.refusals.of(words, c.Endpoint.Protocol())
}

// ownersWords are what the owner of the budget that has refused has callers told: why its
// breaker is forced, and whom to ask.
func (c *Call) ownersWords(refused *admission.Refusal) string {
	owner, words := c.tenant.Document().LevelOf(refused.Tenant), ""
	if refused.Reason == ledgerv1.BreakerForced && owner.ForcedReason != "" {
		words += fmt.Sprintf(" Reason: %s", ended(owner.ForcedReason))
	}
	if refused.ByMoney() && owner.Contact != "" {
		words += fmt.Sprintf(" Contact: %s", ended(owner.Contact))
	}
	return words
}

// ended is a text with a full stop at its end.
func ended(text string) string { return strings.TrimRight(text, ". ") + "." }

// try reports whether the fallback has an answer, or has had a call admitted that
// will give one. A problem is why no fallback may answer.
func (c *Call) try(ctx context.Context, fallback limiterv1.Fallback) (answers bool, problem *Problem) {
	switch fallback.Kind {
	case limiterv1.Cache:
		return c.giveCached(fallback), nil
	case limiterv1.CheapestModel:
		return c.callCheapest(ctx, fallback.Models)
	case limiterv1.Message:
		return c.giveMessage(fallback), nil
	}
	return false, nil // a kind of fallback that only a newer control plane knows
}

// giveCached gives an answer that the same request has got before.
func (c *Call) giveCached(fallback limiterv1.Fallback) bool {
	answer, ok := c.calls.Answers.Get(c.same, fallback.MaxAge.Std())
	if ok {
		c.header.Set(FallbackHeader, string(fallback.Kind))
		c.header.Set("Age", strconv.Itoa(int(time.Since(answer.At).Seconds())))
		c.give(answer)
	}
	return ok
}

// giveMessage gives the tenant's message in the shape of a model's answer.
func (c *Call) giveMessage(fallback limiterv1.Fallback) bool {
	message, ok := c.request.Message(protocol.Text{ID: c.id, At: time.Now(), Content: fallback.Text})
	if ok {
		c.header.Set(FallbackHeader, string(fallback.Kind))
		c.give(answercache.Answer{
			Status: protocol.StatusOK, Header: protocol.Header{"Content-Type": {message.ContentType}}, Body: message.Body,
		})
	}
	return ok
}

// give gives the client an answer in the place of the call.
func (c *Call) give(answer answercache.Answer) {
	c.free()
	for name, values := range answer.Header {
		c.header[name] = values
	}
	c.answered = &Response{Status: answer.Status, Header: c.header, Body: answer.Body}
}

// callCheapest has a call of the cheapest model admitted, if what is left of the
// limits allows. A problem is why its caller may not call any more.
func (c *Call) callCheapest(ctx context.Context, among []string) (admitted bool, problem *Problem) {
	if !c.boundForCheapest(among) {
		return false, nil
	}
	decision, err := c.ask(ctx)
	var unknown *unknownError
	if errors.As(err, &unknown) {
		return false, unknown.problem
	}
	if err != nil {
		c.calls.Log.Error("failed to decide on a fallback", "call", c.id, "error", err)
		return false, nil
	}
	if decision.Hold == nil {
		return false, nil
	}
	c.setRateFields(decision.Rates)
	c.header.Set(FallbackHeader, string(limiterv1.CheapestModel))
	c.header.Set(ModelHeader, c.route.Model.Name)
	c.admitted(decision)
	return true, nil
}

// boundForCheapest bounds the call for the cheapest model that can do it.
func (c *Call) boundForCheapest(among []string) bool {
	for _, route := range c.routesByPrice(among) {
		if c.boundFor(route.Model.Name) == nil {
			c.fallback, c.downgraded = true, false
			return true
		}
	}
	return false
}

// routesByPrice are the routes to models of the protocol, ordered by what the most that the
// call can use would cost there, the cheapest first.
func (c *Call) routesByPrice(among []string) []*config.Route {
	type priced struct {
		*config.Route
		cost money.Nanos
	}
	var all []priced
	now := c.limiterTime()
	for _, route := range c.calls.Config.Routes() {
		if !c.speaksTo(route) || len(among) > 0 && !slices.Contains(among, route.Model.Name) {
			continue
		}
		if cost, err := dearestOf(route.Model.At(now).Prices, c.bounded.Bound); err == nil {
			all = append(all, priced{route, cost})
		}
	}
	slices.SortStableFunc(all, func(a, b priced) int { return cmp.Compare(a.cost, b.cost) })
	routes := make([]*config.Route, len(all))
	for i := range all {
		routes[i] = all[i].Route
	}
	return routes
}

// dearestOf is the most that a bound of usage can cost by the prices. The bound is that for
// another model: if this one has no price for writes to its cache, it has no such writes.
func dearestOf(prices price.Book, bound price.Usage) (money.Nanos, error) {
	cost, err := prices.Dearest(bound)
	if errors.Is(err, price.ErrNoPrice) {
		return prices.Dearest(bound.WithoutWrites())
	}
	return cost, err
}

// cacheOf is the tenant's fallback Cache, if it has one.
func cacheOf(tenant *admission.Tenant) (limiterv1.Fallback, bool) {
	for _, fallback := range tenant.Document().Fallbacks() {
		if fallback.Kind == limiterv1.Cache {
			return fallback, true
		}
	}
	return limiterv1.Fallback{}, false
}

// remember keeps a whole answer to the call for the tenant's fallback Cache, without the
// header fields that are about this call alone. It does not keep an answer whose output was
// lowered to fit the limits, which may be too short for others.
func (c *Call) remember() {
	fallback, ok := cacheOf(c.tenant)
	if !ok || c.forward.status != protocol.StatusOK || c.forward.usage == nil || c.fitted > 0 {
		return
	}
	if answer, ok := c.recording.kept("Content-Type", "Content-Encoding", ModelHeader); ok {
		c.calls.Answers.Put(c.same, answer, fallback.MaxAge.Std())
	}
}

// refusalRecord is the call's refusal as it is kept on record.
func (c *Call) refusalRecord(refused *admission.Refusal) ledgerv1.Refusal {
	record := ledgerv1.Refusal{
		CallID:           c.id,
		Tenant:           c.subject.Tenant,
		User:             c.subject.User,
		Tier:             c.subject.Tier,
		Credential:       c.subject.Credential,
		IdentityProvider: c.subject.IdentityProvider,
		Subject:          c.subject.Subject,
		Actor:            c.subject.Actor,
		Ancestors:        c.tenant.Ancestors(),
		Groups:           c.subject.Groups,
		Labels:           c.subject.Labels,
		ModelAsked:       c.asked.model,
		Model:            c.route.Model.Name,
		Endpoint:         c.Endpoint.Path(),
		RefusedAt:        c.limiterTime(),
		Reason:           refused.Reason,
		LimitTenant:      refused.Tenant,
		Limit:            refused.Limit,
		Per:              refused.Per,
		LimitGroup:       refused.Owner.Group,
		Bound:            refused.Bound,
		Tokens:           refused.Tokens,
		Session:          c.calls.Session,
	}
	switch refused.Reason {
	case ledgerv1.BreakerOpen, ledgerv1.BudgetExhausted:
		record.Period = refused.Period
		record.Amount, record.Spent, record.Held = &refused.Amount, &refused.Spent, &refused.Held
		record.ResetsAt = &refused.ResetsAt
	case ledgerv1.RateLimited, ledgerv1.TooLarge:
		record.Unit = refused.Unit
		if refused.RetryAfter > 0 {
			record.RetryAfter = &refused.RetryAfter
		}
	}
	return record
}
