package proxy

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/idempotency"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/ledger"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

const (
	// readTimeout is how long a client may take to send a request's body.
	readTimeout = time.Minute
	// admitTimeout is how long the limiter's store may take to decide.
	admitTimeout = 2 * time.Second
	// closedPatience is how long a call waits for a closed limiter to open, and
	// closedPause how often it asks.
	closedPatience, closedPause = time.Second, 50 * time.Millisecond
)

// CallIDHeader is the field of an answer that names the call, in the ledger and
// towards the provider, too.
const CallIDHeader = "X-Bursar-Call-Id"

// ModelHeader is the field of an answer that names the model that was called, when
// the ladder has chosen it in the place of the caller.
const ModelHeader = "X-Bursar-Model"

// ShadowHeader is the field of an answer to a tenant in Shadow that says with which
// error code the call would have been refused.
const ShadowHeader = "X-Bursar-Would-Refuse"

// StoreLostHeader is the field of an answer to a call that was admitted while the
// limiter was out of reach, from money that was held for that.
const StoreLostHeader = "X-Bursar-Store-Lost"

// call is a call on its way. Each step adds what it found out.
type call struct {
	id       string
	arrived  time.Time
	endpoint protocol.Endpoint

	subject admission.Subject // identify
	tenant  *admission.Tenant // identify
	request protocol.Request  // read
	same    answercache.Key   // read: of the requests that are the same
	// claim is the call's claim to the name that its caller gave it, nil without one.
	claim *idempotency.Claim // claim
	// recording is the answer, where it may be given again; else nil.
	recording *recording // read, claim
	// models are the model that the call is bound for, unless the ladder has put
	// another in its place, and those to be tried after it.
	models []string      // bound
	route  *config.Route // bound
	// model is the route's, with the prices in force when the call was bound: it is
	// settled with them, too.
	model   limiterv1.Model // bound
	bounded protocol.Call   // bound
	// downgraded is whether the ladder may have put another model in the place of
	// the one that was asked for.
	downgraded bool // bound
	// decision is how the call was admitted.
	decision ledger.Decision // admit
	// fallback is whether the call is made in the place of one that money refused.
	fallback bool            // admit
	hold     *admission.Hold // admit
	heldFrom time.Time       // admit: when, by this machine's clock
	progress progress        // forward
	// answered is whether the client has got an answer that is not this call's.
	answered bool
	// refused is why there was no answer but an error of ours; nil as long as there is none.
	refused *refusal
	// span is the call's in its caller's trace; nil without a tracer.
	span trace.Span
}

// progress is what is known of a call that is being forwarded. How the call ends
// follows from it, at whatever point that comes.
type progress struct {
	// sent is whether the provider may have been asked.
	sent bool
	// status is the status of the provider's answer; 0 while there is none.
	status int
	// usage is what the provider says that the call used; nil while it does not.
	usage *price.Usage
	// firstToken is when the first bytes of a streamed answer came; zero when none did.
	firstToken time.Time
}

// step is a step of the way of a call.
type step struct {
	name string
	take func(*call, http.ResponseWriter, *http.Request) *refusal
}

// serveCalls serves the calls of an endpoint.
func (p *Proxy) serveCalls(endpoint protocol.Endpoint) http.HandlerFunc {
	steps := []step{
		{"identify", p.identify}, {"read", p.read}, {"claim", p.claim},
		{"bound", p.bound}, {"admit", p.admit}, {forwardStep, p.forward},
	}
	return func(w http.ResponseWriter, r *http.Request) {
		c := &call{id: newID(), arrived: time.Now(), endpoint: endpoint}
		w.Header().Set(CallIDHeader, c.id)
		r = p.startTrace(c, r)
		defer c.endTrace() // also when a step panics
		defer p.end(c)
		for _, step := range steps {
			if c.refused = p.take(step, c, w, r); c.refused != nil {
				p.free(c)
				p.refuse(w, c.refused, endpoint.Protocol())
				c.recording.refusal(w.Header(), c.refused)
				return
			}
			if c.answered {
				return
			}
		}
	}
}

// newID is a name for a call, unique for all time, and later ones are greater,
// which indexes like.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// identify finds out who calls, and who pays.
func (p *Proxy) identify(c *call, _ http.ResponseWriter, r *http.Request) (no *refusal) {
	if c.subject, no = p.subject(r, c.endpoint.Protocol()); no != nil {
		return no
	}
	var ok bool
	if c.tenant, ok = p.Config.Tenant(c.subject.Tenant); !ok {
		return noBudget(c.subject)
	}
	return nil
}

// subject is who sent a request of a protocol.
func (p *Proxy) subject(r *http.Request, spoken protocol.Protocol) (admission.Subject, *refusal) {
	subject, err := p.identifier.Identify(spoken, r.Header, r.URL.Query())
	switch {
	case err == nil:
		return subject, p.awaitSession(r.Context())
	case errors.Is(err, identity.ErrUnknown) && p.Config.Running().Incarnation == "":
		// Nobody is known before the first configuration has come.
		return subject, notConfigured()
	}
	return subject, badCredential(err)
}

// awaitSession waits, for a moment, until others know of the session. Not before do they
// wait for this process to follow the configuration.
func (p *Proxy) awaitSession(ctx context.Context) *refusal {
	select {
	case <-p.Begun:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, closedPatience)
	defer cancel()
	select {
	case <-p.Begun:
		return nil
	case <-ctx.Done():
		return notConfigured()
	}
}

// read reads the request.
func (p *Proxy) read(c *call, w http.ResponseWriter, r *http.Request) *refusal {
	body, err := p.readBody(w, r)
	if err != nil {
		return unreadable(err)
	}
	model, _ := protocol.MatchPath(c.endpoint.Path(), r.URL.Path)
	if c.request, err = c.endpoint.Read(protocol.Incoming{Model: model, Query: r.URL.Query(), Body: body}); err != nil {
		return badRequest(err)
	}
	if _, ok := remembers(c.tenant); ok {
		c.recording = &recording{}
	}
	if c.recording != nil || r.Header[IdempotencyKeyHeader] != nil {
		c.same = answercache.KeyOf([]byte(c.subject.Tenant), []byte(r.URL.Path), []byte(r.URL.RawQuery), body)
	}
	return nil
}

func (p *Proxy) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, p.MaxRequestBytes))
	if err != nil {
		return nil, err
	}
	// The deadline is not for what comes after: the answer may take its time.
	return body, control.SetReadDeadline(time.Time{})
}

// bound finds the model, and what the call can cost there at most.
func (p *Proxy) bound(c *call, _ http.ResponseWriter, _ *http.Request) *refusal {
	return p.boundForFirst(c, c.tenant.Document().ModelsFor(c.request.Model()))
}

// boundForFirst binds the call for the first of the models that can do what is
// asked for, or refuses it as the first does.
func (p *Proxy) boundForFirst(c *call, models []string) (why *refusal) {
	for i := range models {
		no := p.boundOnLadder(c, models[i])
		if no == nil {
			c.models = models[i:]
			return nil
		}
		if why == nil {
			why = no
		}
	}
	return why
}

// boundOnLadder binds the call for a model, or for the one that the ladder puts in
// its place.
func (p *Proxy) boundOnLadder(c *call, asked string) *refusal {
	model, downgraded := c.tenant.ModelFor(c.subject.User, asked)
	c.downgraded = downgraded
	if model != asked && p.boundFor(c, model) == nil {
		return nil
	}
	// Also where the model in its place cannot do what is asked for.
	return p.boundFor(c, asked)
}

func (p *Proxy) boundFor(c *call, model string) *refusal {
	route, no := p.routeTo(c, model)
	if no != nil {
		return no
	}
	priced := route.Model.At(p.Admitter.Now())
	bounded, err := c.request.For(priced, c.tenant.Document().AssumedOutputTokens)
	if err != nil {
		return badRequest(err)
	}
	c.route, c.model, c.bounded = route, priced, bounded
	return nil
}

// admit has the call admitted, and its bound held, or one in its place, or has the
// client given another answer. A client that goes meanwhile does not interrupt it: an
// admission without an answer may have taken a hold.
func (p *Proxy) admit(c *call, w http.ResponseWriter, r *http.Request) *refusal {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), admitTimeout)
	defer cancel()
	decision, err := p.askOnLadder(ctx, c)
	for err == nil && decision.Hold == nil && decision.Refusal.ByMoney() && p.boundForNext(c) {
		decision, err = p.askOnLadder(ctx, c)
	}
	if err != nil {
		p.Log.Error("a call could not be decided", "call", c.id, "error", err)
		return p.admitBounded(c, w, err)
	}
	setRates(w.Header(), c.endpoint.Protocol(), decision.Rates)
	if decision.Hold == nil {
		return p.fallBack(ctx, c, w, decision.Refusal)
	}
	p.admitted(c, w.Header(), decision)
	return nil
}

// admitBounded has a call admitted that the limiter could not decide, where the tenant
// has a share for that. It is another call to the limiter, which may have been told of
// the first; a call that its caller has named cannot become another.
func (p *Proxy) admitBounded(c *call, w http.ResponseWriter, err error) *refusal {
	lost := errors.Is(err, admission.ErrStoreUnavailable) || errors.Is(err, admission.ErrClosed)
	if !lost || c.claim != nil {
		return storeLost()
	}
	c.id = newID()
	hold, ok := p.Admitter.AdmitBounded(c.tenant, p.asking(c))
	if !ok {
		return storeLost()
	}
	w.Header().Set(CallIDHeader, c.id)
	w.Header().Set(StoreLostHeader, "AllowBounded")
	p.Metrics.bounded()
	p.admitted(c, w.Header(), admission.Decision{Hold: hold})
	c.decision = ledger.Bounded
	return nil
}

// boundForNext binds the call for the next of its models that can do it, if any.
func (p *Proxy) boundForNext(c *call) bool {
	next := c.models[1:]
	return len(next) > 0 && p.boundForFirst(c, next) == nil
}

// askOnLadder asks the limiter, and asks again for the model that the ladder puts
// in the place of another when that has changed.
func (p *Proxy) askOnLadder(ctx context.Context, c *call) (admission.Decision, error) {
	decision, err := p.ask(ctx, c)
	if errors.Is(err, admission.ErrRungChanged) && p.boundForFirst(c, c.models) == nil {
		return p.ask(ctx, c)
	}
	return decision, err
}

// admitted notes that the call has its hold, and tells the client how it came by it.
func (p *Proxy) admitted(c *call, header http.Header, decision admission.Decision) {
	c.hold, c.heldFrom = decision.Hold, time.Now()
	switch {
	case c.fallback:
		c.decision = ledger.Fallback
	case decision.Refusal != nil:
		c.decision = ledger.Shadowed
	case c.route.Model.Name != c.request.Model():
		c.decision = ledger.Replaced
	default:
		c.decision = ledger.Admitted
	}
	p.tell(c, header, decision)
	p.calls.Add(1)
	p.Metrics.admitted()
}

// tell tells the client how its call was admitted otherwise than it may think.
func (p *Proxy) tell(c *call, header http.Header, decision admission.Decision) {
	if used := c.route.Model.Name; used != c.request.Model() {
		header.Set(ModelHeader, used)
	}
	if pricing := c.pricing(); pricing != "" {
		header.Set(PricedAsHeader, string(pricing))
	}
	if decision.Refusal != nil {
		shadowed := notAdmitted(c.subject, decision.Refusal)
		header.Set(ShadowHeader, shadowed.code)
		p.Metrics.shadowed(shadowed)
	}
}

// ask asks the limiter. One that is closed while counters are set is a matter of
// moments, as a rule: it is asked again.
func (p *Proxy) ask(ctx context.Context, c *call) (admission.Decision, error) {
	for patience := time.After(closedPatience); ; {
		decision, err := p.askOnce(ctx, c)
		if !errors.Is(err, admission.ErrClosed) {
			return decision, err
		}
		select {
		case <-patience:
			return decision, err
		case <-time.After(closedPause):
		}
		if tenant, ok := p.Config.Tenant(c.subject.Tenant); ok {
			c.tenant = tenant // its limits may be others by now
		}
	}
}

func (p *Proxy) askOnce(ctx context.Context, c *call) (admission.Decision, error) {
	defer p.Metrics.asked(time.Now())
	return p.Admitter.Admit(ctx, c.tenant, p.asking(c))
}

// asking is the call as the limiter sees it.
func (p *Proxy) asking(c *call) admission.Call {
	return admission.Call{
		ID:         c.id,
		Subject:    c.subject,
		Model:      c.route.Model.Name,
		Downgraded: c.downgraded,
		Fallback:   c.fallback,
		Bound:      c.bounded.Cost,
		Tokens:     c.bounded.Bound.Total(),
		Record:     p.opening(c).Encode(),
	}
}

// opening is the call's entry in the ledger, as far as it is known before the
// call is made.
func (p *Proxy) opening(c *call) ledger.Entry {
	return ledger.Entry{
		OpenCall: limiterv1.OpenCall{
			CallID:    c.id,
			Tenant:    c.subject.Tenant,
			User:      c.subject.User,
			Tier:      c.subject.Tier,
			Model:     c.route.Model.Name,
			Root:      c.tenant.Document().Root(),
			Ancestors: c.tenant.Ancestors(),
			Tokens:    c.bounded.Bound.Total(),
		},
		Credential: c.subject.Credential,
		Provider:   c.route.Provider.Name,
		ModelAsked: c.request.Model(),
		ModelUsed:  c.route.Model.UpstreamName,
		Endpoint:   c.endpoint.Path(),
		Streamed:   c.request.Streamed(),
		Session:    p.Session,
		Held:       c.bounded.Cost,
		PricedAs:   c.pricing(),
	}
}

// refusalOf is the call's refusal as it is kept on record.
func (p *Proxy) refusalOf(c *call, refused *admission.Refusal) ledger.Refusal {
	record := ledger.Refusal{
		CallID:      c.id,
		Tenant:      c.subject.Tenant,
		User:        c.subject.User,
		Tier:        c.subject.Tier,
		Credential:  c.subject.Credential,
		ModelAsked:  c.request.Model(),
		Model:       c.route.Model.Name,
		Endpoint:    c.endpoint.Path(),
		RefusedAt:   p.Admitter.Now(),
		Reason:      string(refused.Reason),
		LimitTenant: refused.Tenant,
		Limit:       refused.Limit,
		Per:         string(refused.Per),
		Bound:       refused.Bound,
		Tokens:      refused.Tokens,
		Session:     p.Session,
	}
	switch refused.Reason {
	case admission.BreakerOpen, admission.BudgetExhausted:
		record.Period = string(refused.Period)
		record.Amount, record.Spent, record.Held = &refused.Amount, &refused.Spent, &refused.Held
		record.ResetsAt = &refused.ResetsAt
	case admission.RateLimited, admission.TooLarge:
		record.Unit = string(refused.Unit)
		if refused.RetryAfter > 0 {
			record.RetryAfter = &refused.RetryAfter
		}
	}
	return record
}
