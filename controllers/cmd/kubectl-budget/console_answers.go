package main

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/history"
)

// What follows are the answers of the console's API, as far as they are read here;
// /api/ai/openapi.json has all of them. Each is converted to the type that a command uses which reads
// the ledger itself.

// amount is an amount of an answer.
type amount struct{ Nanos money.Nanos }

// answeredSums are sums over calls.
type answeredSums struct {
	Calls, Refused                                  int64
	Tokens                                          history.Tokens
	Cost, Held, Estimated                           amount
	SavedByCache, SavedByDowngrade, SavedByFallback amount
}

func (s answeredSums) sums() history.Sums {
	return history.Sums{
		Calls: s.Calls, Refused: s.Refused, Tokens: s.Tokens, Cost: s.Cost.Nanos, Held: s.Held.Nanos, Estimated: s.Estimated.Nanos,
		SavedByCache: s.SavedByCache.Nanos, SavedByDowngrade: s.SavedByDowngrade.Nanos, SavedByFallback: s.SavedByFallback.Nanos,
	}
}

// answeredUsage is the answer to GET /usage.
type answeredUsage struct {
	Tenant, TimeZone string
	From, To         time.Time
	By               []string
	Total            answeredSums
	Rows             []struct {
		Values map[string]string
		answeredSums
	}
	Others    *answeredSums
	OtherRows int64
}

// report is the usage as it is printed.
func (u answeredUsage) report() (*usageReport, error) {
	zone, err := time.LoadLocation(u.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("the time zone of the console's answer: %w", err)
	}
	query := history.UsageQuery{From: u.From, To: u.To, Zone: zone}
	usage := history.Usage{Total: u.Total.sums(), OtherRows: u.OtherRows}
	for _, by := range u.By {
		query.By = append(query.By, history.Dimension(by))
	}
	for _, row := range u.Rows {
		values := make([]string, len(u.By))
		for i, by := range u.By {
			values[i] = row.Values[by]
		}
		usage.Rows = append(usage.Rows, history.UsageRow{Values: values, Sums: row.sums()})
	}
	if u.Others != nil {
		usage.Others = u.Others.sums()
	}
	return newUsageReport(u.Tenant, query, usage), nil
}

// parameters are the options of usage as the console takes them.
func (o *usageOptions) parameters(tenant url.Values) (url.Values, error) {
	if o.inZone != "" {
		return nil, usageError{errors.New("--time-zone is not for a console, which answers in the tenant's: leave it out, or ask the ledger")}
	}
	p := tenant
	from, to, err := o.days()
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"from": from, "to": to, "label": o.label, "limit": strconv.Itoa(o.limit)} {
		if value != "" {
			p.Set(name, value)
		}
	}
	for name, values := range map[string][]string{
		"by": o.by, "user": o.Users, "group": o.Groups, "tier": o.Tiers, "model": o.Models, "provider": o.Providers, "endpoint": o.Endpoints,
		"decision": o.Decisions, "outcome": o.Outcomes, "credential": o.Credentials,
	} {
		if len(values) > 0 {
			p[name] = []string{strings.Join(values, ",")}
		}
	}
	var labels []string
	for name, value := range o.Labels {
		labels = append(labels, name+"="+value)
	}
	if slices.Sort(labels); len(labels) > 0 {
		p["labels"] = []string{strings.Join(labels, ",")}
	}
	return p, nil
}

// days are the stretch as the dates that a console takes, the last of which does not count. They are
// empty for the console's default, the month up to now.
func (s stretch) days() (from, to string, err error) {
	if s.month == "" && s.from == "" && s.to == "" {
		return "", "", nil
	}
	first, end, err := s.span(time.Now().UTC(), time.UTC) // only dates are taken of it
	if err != nil {
		return "", "", err
	}
	if s.month == "" && s.to == "" {
		return first.Format(time.DateOnly), "", nil
	}
	return first.Format(time.DateOnly), end.Format(time.DateOnly), nil
}

// answeredCall is the answer to GET /usage/calls/{id}.
type answeredCall struct {
	ID, Tenant, User, Tier, APIKey, IdentityProvider, Subject, Actor, ModelAsked, Model, Endpoint string

	At        time.Time
	Bound     amount
	Admission *struct {
		Decision        ledgerv1.Decision
		Outcome         ledgerv1.Outcome
		Provider        string
		Streamed        bool
		SettledAt       time.Time
		Cost, Overrun   amount
		Tokens          int64
		PricedAs        ledgerv1.Pricing
		ServiceTier     price.ServiceTier
		Properties      map[string]string
		Uses            map[string]int64
		LoweredBy       ledgerv1.Lowering
		MaxOutputTokens int64
		Ancestors       []string
	}
	Refusal *struct {
		Reason               ledgerv1.Reason
		Tenant, Limit, Group string
		Per                  limiterv1.Scope
		Period               period.Kind
		Amount, Spent, Held  amount
		ResetsAt             time.Time
		Unit                 limiterv1.Unit
		RetryAfter           string
		Tokens               int64
		Fallback             limiterv1.FallbackKind
	}
}

// call is the call as the ledger has it.
func (c answeredCall) call() history.Call {
	call := history.Call{
		ID: c.ID, Tenant: c.Tenant, User: c.User, Tier: c.Tier, Credential: c.APIKey, IdentityProvider: c.IdentityProvider, Subject: c.Subject, Actor: c.Actor,
		ModelAsked: c.ModelAsked, Model: c.Model, Endpoint: c.Endpoint, At: c.At, Bound: c.Bound.Nanos,
	}
	if a := c.Admission; a != nil {
		call.Admission = &history.Admission{
			Decision: a.Decision, Outcome: a.Outcome, Provider: a.Provider, Streamed: a.Streamed, SettledAt: a.SettledAt, Cost: a.Cost.Nanos, Overrun: a.Overrun.Nanos,
			Tokens: a.Tokens, Ancestors: a.Ancestors, PricedAs: a.PricedAs, ServiceTier: a.ServiceTier, Properties: price.PropertiesOf(a.Properties),
			Uses: price.UsesOf(a.Uses), LoweredBy: a.LoweredBy, MaxOutputTokens: a.MaxOutputTokens,
		}
	}
	if r := c.Refusal; r != nil {
		after, _ := time.ParseDuration(r.RetryAfter) // absent where nobody could say
		call.Refusal = &history.LimitRefusal{
			Reason: r.Reason, Tenant: r.Tenant, Limit: r.Limit, Per: r.Per, Group: r.Group, Period: r.Period, Amount: r.Amount.Nanos, Spent: r.Spent.Nanos,
			Held: r.Held.Nanos, ResetsAt: r.ResetsAt, Unit: r.Unit, RetryAfter: after, Tokens: r.Tokens, Fallback: r.Fallback,
		}
	}
	return call
}
