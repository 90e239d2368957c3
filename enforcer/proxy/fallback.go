package proxy

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// FallbackHeader is the field of an answer that names the fallback that gave it, in
// the place of the call that was refused for money.
const FallbackHeader = "X-Bursar-Fallback"

// fallBack tries the tenant's fallbacks in the place of a call that was refused, in
// their order, and refuses the call where none has an answer. Where one makes
// another call, that one is admitted. The refusal is put on record either way.
func (p *Proxy) fallBack(ctx context.Context, c *call, w http.ResponseWriter, refused *admission.Refusal) *refusal {
	why := notAdmitted(c.subject, refused)
	if refused.ByMoney() {
		why.status = cmp.Or(int(c.tenant.Document().BudgetRefusalStatus), why.status)
	}
	record := p.refusalOf(c, refused) // of the call as it was refused: a fallback may bind it anew
	defer func() { p.Refusals.Add(record) }()
	if !refused.ByMoney() {
		return why
	}
	for _, fallback := range c.tenant.Document().Fallbacks() {
		if p.try(ctx, c, w, fallback) {
			record.Fallback = string(fallback.Kind)
			p.Metrics.fellBack(fallback.Kind, why)
			return nil
		}
	}
	return why
}

// try reports whether the fallback has an answer, or has had a call admitted that
// will give one.
func (p *Proxy) try(ctx context.Context, c *call, w http.ResponseWriter, fallback limiterv1.Fallback) bool {
	switch fallback.Kind {
	case limiterv1.Cache:
		answer, ok := p.Answers.Get(c.same, fallback.MaxAge.Std())
		if ok {
			w.Header().Set(FallbackHeader, string(fallback.Kind))
			w.Header().Set("Age", strconv.Itoa(int(time.Since(answer.At).Seconds())))
			p.give(c, w, answer)
		}
		return ok
	case limiterv1.CheapestModel:
		return p.callCheapest(ctx, c, w, fallback.Models)
	case limiterv1.Message:
		text := protocol.Text{ID: c.id, At: time.Now(), Content: fallback.Text}
		message, ok := c.request.Message(text)
		if ok {
			w.Header().Set(FallbackHeader, string(fallback.Kind))
			p.give(c, w, answercache.Answer{
				Status: http.StatusOK, Header: http.Header{"Content-Type": {message.ContentType}}, Body: message.Body,
			})
		}
		return ok
	}
	return false // made by a control plane that is newer
}

// callCheapest has a call of the cheapest model admitted, if what is left of the
// limits allows.
func (p *Proxy) callCheapest(ctx context.Context, c *call, w http.ResponseWriter, among []string) bool {
	if !p.boundForCheapest(c, among) {
		return false
	}
	decision, err := p.ask(ctx, c)
	if err != nil {
		p.Log.Error("a fallback could not be decided", "call", c.id, "error", err)
		return false
	}
	if decision.Hold == nil {
		return false
	}
	setRates(w.Header(), c.endpoint.Protocol(), decision.Rates)
	w.Header().Set(FallbackHeader, string(limiterv1.CheapestModel))
	w.Header().Set(ModelHeader, c.route.Model.Name)
	p.admitted(c, w.Header(), decision)
	return true
}

// boundForCheapest binds the call for the cheapest model that can do it.
func (p *Proxy) boundForCheapest(c *call, among []string) bool {
	for _, route := range p.byPrice(c, among) {
		if p.boundFor(c, route.Model.Name) == nil {
			c.fallback, c.downgraded = true, false
			return true
		}
	}
	return false
}

// byPrice are the routes to models of the protocol, the first the one where what
// the call was bound to use costs least.
func (p *Proxy) byPrice(c *call, among []string) []*config.Route {
	type priced struct {
		*config.Route
		cost money.Nanos
	}
	var all []priced
	for _, route := range p.Config.Routes() {
		if route.Provider.Protocol != c.endpoint.Protocol().Name() || len(among) > 0 && !slices.Contains(among, route.Model.Name) {
			continue
		}
		if cost, err := route.Model.At(p.Admitter.Now()).Prices.Dearest(c.bounded.Bound); err == nil {
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

// remembers is the tenant's fallback that gives answers anew, if it has one.
func remembers(tenant *admission.Tenant) (limiterv1.Fallback, bool) {
	for _, fallback := range tenant.Document().Fallbacks() {
		if fallback.Kind == limiterv1.Cache {
			return fallback, true
		}
	}
	return limiterv1.Fallback{}, false
}

// remember keeps a whole answer to the call for the tenant's fallback Cache. Of its
// header, what is about that call alone is left out.
func (p *Proxy) remember(c *call) {
	fallback, ok := remembers(c.tenant)
	if !ok || c.progress.status != http.StatusOK || c.progress.usage == nil {
		return
	}
	if answer, ok := c.recording.whole("Content-Type", "Content-Encoding", ModelHeader); ok {
		p.Answers.Put(c.same, answer, fallback.MaxAge.Std())
	}
}
