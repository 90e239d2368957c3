package api

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/history"
)

// CallsInput says which calls, or refusals, are listed.
type CallsInput struct {
	TenantParameter
	SpanParameters
	FilterParameters
	FormatParameter
	PageParameters
}

// Calls is a page of calls, newest first.
type Calls struct {
	Tenant string    `json:"tenant"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to" doc:"The first moment that is not looked at any more."`
	AsOf   time.Time `json:"asOf" doc:"When this was read."`
	Calls  []Call    `json:"calls" nullable:"false"`
	Next   string    `json:"next,omitempty" doc:"What after is on the next page. Absent: this is the last. A page may have fewer calls than limit, or none, and not be the last."`
}

// Call is what is on record of a call.
type Call struct {
	ID               string     `json:"id" doc:"As x-bursar-call-id of its answer has it."`
	Tenant           string     `json:"tenant"`
	User             string     `json:"user"`
	Tier             string     `json:"tier,omitempty"`
	APIKey           string     `json:"apiKey,omitempty" doc:"The APIKey, as namespace/name. Absent: it was made with a token."`
	IdentityProvider string     `json:"identityProvider,omitempty" doc:"That of the token. Absent: it was made with an API key."`
	Subject          string     `json:"subject,omitempty" doc:"The claim sub of the token."`
	Actor            string     `json:"actor,omitempty" doc:"The user of the credential, if it made the call for another, who is user. Absent: it did not."`
	ModelAsked       string     `json:"modelAsked" doc:"The model that the caller asked for."`
	Model            string     `json:"model" doc:"The model that the call was bound for."`
	Endpoint         string     `json:"endpoint"`
	At               time.Time  `json:"at" doc:"When it was admitted or refused."`
	Bound            Money      `json:"bound" doc:"The most that it could cost."`
	Admission        *Admission `json:"admission,omitempty" doc:"How it was admitted, and ended. Absent: it was refused, and nothing was called in its place."`
	Refusal          *Refusal   `json:"refusal,omitempty" doc:"Why it was refused. Absent: it was not, or this is a list of calls."`
}

// Admission is how a call was admitted, and how it ended.
type Admission struct {
	Decision        string            `json:"decision" doc:"How it was admitted: as asked, with another model, as a fallback, in shadow, from a share."`
	Outcome         string            `json:"outcome" doc:"How it ended."`
	Provider        string            `json:"provider"`
	Streamed        bool              `json:"streamed"`
	SettledAt       time.Time         `json:"settledAt" doc:"When it ended."`
	Cost            Money             `json:"cost"`
	Overrun         Money             `json:"overrun" doc:"The part of cost beyond what was held."`
	Tokens          int64             `json:"tokens" doc:"All tokens, of every kind."`
	PricedAs        string            `json:"pricedAs,omitempty" doc:"Whose prices the cost is made of. Absent: the model's own."`
	ServiceTier     string            `json:"serviceTier,omitempty" doc:"The tier of its prices. Absent: the provider's default."`
	Properties      map[string]string `json:"properties,omitempty" doc:"What else the prices depended on."`
	Uses            map[string]int64  `json:"uses,omitempty" doc:"What else was billed, such as searches, and how often."`
	LoweredBy       string            `json:"loweredBy,omitempty" doc:"Why less output was asked for than the caller wanted. Absent: it was not."`
	MaxOutputTokens int64             `json:"maxOutputTokens,omitempty" doc:"How much output was asked for then."`
	Ancestors       []string          `json:"ancestors" nullable:"false" doc:"The tenants above, which it counted for, too; nearest first."`
}

// Refusal is the first limit that refused a call, as it stood.
type Refusal struct {
	Reason     string     `json:"reason"`
	Tenant     string     `json:"tenant" doc:"Whose limit it is."`
	Limit      string     `json:"limit,omitempty" doc:"Its name. Absent: a breaker was forced open."`
	Per        string     `json:"per,omitempty"`
	Group      string     `json:"group,omitempty" doc:"The group of the caller whose limit it is, of one per group."`
	Period     string     `json:"period,omitempty" doc:"Of a money limit."`
	Amount     *Money     `json:"amount,omitempty" doc:"Of a money limit."`
	Spent      *Money     `json:"spent,omitempty"`
	Held       *Money     `json:"held,omitempty"`
	ResetsAt   *time.Time `json:"resetsAt,omitempty"`
	Unit       string     `json:"unit,omitempty" doc:"Of a rate limit: requests, tokens or inFlight."`
	RetryAfter string     `json:"retryAfter,omitempty" example:"1.5s" doc:"Of a rate limit: after which time the call would have fitted. Absent: nobody can say."`
	Tokens     int64      `json:"tokens,omitempty" doc:"Of a rate limit of tokens: how many the call could use."`
	Fallback   string     `json:"fallback,omitempty" doc:"What answered in the call's place. Absent: nothing did."`
}

func (a *api) registerCalls(routes huma.API) {
	handle(a, routes, get("calls", "/usage/calls", "Usage", "The calls that were made",
		"Calls that have ended, newest first, page by page. A user sees their own, an admin those of the tenant."),
		func(ctx context.Context, who auth.Who, in *CallsInput) (*Calls, error) {
			return a.calls(ctx, who, in, a.Ledger.ListCalls)
		})
	handle(a, routes, get("refusals", "/refusals", "Usage", "The calls that a limit refused",
		"Refused calls, newest first, page by page, each with the first limit that refused it, as it stood. A user sees their own, an admin those of the tenant. "+
			"When very many are refused at once, some are not on record."),
		func(ctx context.Context, who auth.Who, in *CallsInput) (*Calls, error) {
			return a.calls(ctx, who, in, a.Ledger.ListRefusals)
		})
	handle(a, routes, get("call", "/usage/calls/{id}", "Usage", "One call", "What is on record of a call: how it was admitted and what it cost, or why it was refused."),
		func(ctx context.Context, who auth.Who, in *CallInput) (*Call, error) {
			v, err := a.view(ctx, who, in.Tenant, auth.Member)
			if err != nil {
				return nil, err
			}
			found, err := a.Ledger.Call(ctx, v.as, in.ID)
			if err != nil {
				return nil, err
			}
			call := callOf(found)
			return &call, nil
		})
}

// CallInput says which call is shown.
type CallInput struct {
	TenantParameter
	ID string `path:"id" minLength:"1" maxLength:"100" pattern:"^[!-~]+$" patternDescription:"the id of a call" doc:"As x-bursar-call-id of its answer has it."`
}

func (a *api) calls(
	ctx context.Context, who auth.Who, in *CallsInput, list func(context.Context, history.As, history.ListQuery) (history.CallPage, error),
) (*Calls, error) {
	v, err := a.view(ctx, who, in.Tenant, auth.Member)
	if err != nil {
		return nil, err
	}
	query := history.ListQuery{Limit: in.Limit, After: in.After}
	if query.From, query.To, err = in.span(v.zone, a.Now()); err != nil {
		return nil, err
	}
	if query.Where, err = in.filter(v); err != nil {
		return nil, err
	}
	asOf := a.Now()
	found, err := list(ctx, v.as, query)
	if err != nil {
		return nil, err
	}
	page := &Calls{Tenant: v.tenant, From: query.From.In(v.zone), To: query.To.In(v.zone), AsOf: asOf.UTC(), Calls: make([]Call, 0, len(found.Calls)), Next: found.Next}
	for _, call := range found.Calls {
		page.Calls = append(page.Calls, callOf(call))
	}
	return page, nil
}

func callOf(c history.Call) Call {
	return Call{
		ID: c.ID, Tenant: c.Tenant, User: c.User, Tier: c.Tier, APIKey: c.Credential, IdentityProvider: c.IdentityProvider, Subject: c.Subject, Actor: c.Actor,
		ModelAsked: c.ModelAsked, Model: c.Model, Endpoint: c.Endpoint, At: c.At.UTC(), Bound: usd(c.Bound),
		Admission: admissionOf(c.Admission), Refusal: refusalOf(c.Refusal),
	}
}

func admissionOf(a *history.Admission) *Admission {
	if a == nil {
		return nil
	}
	return &Admission{
		Decision: string(a.Decision), Outcome: string(a.Outcome), Provider: a.Provider, Streamed: a.Streamed, SettledAt: a.SettledAt.UTC(),
		Cost: usd(a.Cost), Overrun: usd(a.Overrun), Tokens: a.Tokens, PricedAs: string(a.PricedAs), ServiceTier: string(a.ServiceTier),
		Properties: readable(a.Properties.Values()), Uses: readable(a.Uses.Counts()), LoweredBy: string(a.LoweredBy), MaxOutputTokens: a.MaxOutputTokens,
		Ancestors: append([]string{}, a.Ancestors...),
	}
}

// readable is the value that was read from a text of the ledger; zero if a later version
// wrote a text that this one cannot read.
func readable[T any](read T, err error) T {
	if err != nil {
		var none T
		return none
	}
	return read
}

func refusalOf(r *history.LimitRefusal) *Refusal {
	if r == nil {
		return nil
	}
	refusal := &Refusal{
		Reason: string(r.Reason), Tenant: r.Tenant, Limit: r.Limit, Per: string(r.Per), Group: r.Group, Period: string(r.Period),
		Unit: string(r.Unit), Tokens: r.Tokens, Fallback: string(r.Fallback),
	}
	if r.RetryAfter > 0 {
		refusal.RetryAfter = r.RetryAfter.String()
	}
	if r.Period != "" {
		money := func(n money.Nanos) *Money { m := usd(n); return &m }
		resets := r.ResetsAt.UTC()
		refusal.Amount, refusal.Spent, refusal.Held, refusal.ResetsAt = money(r.Amount), money(r.Spent), money(r.Held), &resets
	}
	return refusal
}

func (*Calls) head() []string {
	return []string{
		"id", "tenant", "user", "tier", "api_key", "identity_provider", "subject", "actor", "model_asked", "model", "endpoint", "at", "bound_usd",
		"decision", "outcome", "provider", "settled_at", "cost_usd", "overrun_usd", "tokens",
		"reason", "limit_tenant", "limit", "limit_group", "fallback",
	}
}

func (c *Calls) rows() [][]string {
	all := make([][]string, 0, len(c.Calls))
	for _, call := range c.Calls {
		row := []string{
			call.ID, call.Tenant, call.User, call.Tier, call.APIKey, call.IdentityProvider, call.Subject, call.Actor, call.ModelAsked, call.Model, call.Endpoint,
			call.At.Format(time.RFC3339Nano), call.Bound.USD,
		}
		if a := call.Admission; a != nil {
			row = append(row, a.Decision, a.Outcome, a.Provider, a.SettledAt.Format(time.RFC3339Nano), a.Cost.USD, a.Overrun.USD, strconv.FormatInt(a.Tokens, 10))
		} else {
			row = append(row, strings.Split(",,,,,,", ",")...)
		}
		if r := call.Refusal; r != nil {
			row = append(row, r.Reason, r.Tenant, r.Limit, r.Group, r.Fallback)
		} else {
			row = append(row, "", "", "", "", "")
		}
		all = append(all, row)
	}
	return all
}
