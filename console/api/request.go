package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/history"
)

// TenantParameter is the tenant that a route is asked about.
type TenantParameter struct {
	Tenant string `query:"tenant" maxLength:"63" pattern:"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" patternDescription:"a name of lower-case letters, digits and hyphens" doc:"The tenant. Default: the one that you belong to or, of several, that which pays by default."`
}

// PageParameters say which page of a list is returned.
type PageParameters struct {
	Limit int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many there are on a page at most."`
	After string `query:"after" maxLength:"1000" doc:"The next of the page before. Default: the first page."`
}

// FormatParameter says how an answer is written.
type FormatParameter struct {
	Format string `query:"format" enum:"json,csv" doc:"How the answer is written; goes before the header field Accept. Both have the same rows."`
}

// view is what the caller may see of a tenant, and for whom the ledger is read.
type view struct {
	tenant string
	role   auth.Role
	// as is for whom the ledger is read; for the role Above, the admin of a tenant above.
	as   history.As
	user string
	zone *time.Location
}

// isAdmin reports whether all users of the tenant may be seen.
func (v view) isAdmin() bool { return v.role == auth.Admin }

// view is what the caller may see of the tenant that they ask about. least is the role that
// the route needs; with less, the error says only that it is forbidden.
func (a *api) view(ctx context.Context, who auth.Who, asked string, least auth.Role) (view, error) {
	tenant, err := chosen(who, asked)
	if err != nil {
		return view{}, err
	}
	role, err := a.Auth.Role(ctx, who, tenant)
	if err != nil {
		return view{}, err
	}
	if role == auth.Stranger || role < least {
		return view{}, forbidden("you may not see this of the tenant, if there is one of the name")
	}
	budget, err := a.Cluster.Budget(ctx, tenant)
	if err != nil {
		return view{}, err
	}
	v := view{tenant: tenant, role: role, user: who.Name(tenant), as: history.As{Tenant: tenant, Admin: true}, zone: zoneOf(budget.Spec.TimeZone)}
	switch role {
	case auth.Member:
		v.as = history.As{Tenant: tenant, User: v.user}
	case auth.Above:
		if v.as.Tenant, err = a.Auth.Above(ctx, who, tenant); err != nil {
			return view{}, err
		}
	}
	return v, nil
}

// chosen is the tenant to answer about: the one that is named, or the one that pays for the
// caller.
func chosen(who auth.Who, asked string) (string, error) {
	if asked != "" {
		return asked, nil
	}
	if who.IsPlatformAdmin && len(who.Tenancies) == 0 {
		return "", invalid("query.tenant", "is required: you administer all tenants and belong to none")
	}
	tenancy, err := identity.Choose(who.Tenancies, "")
	var tooManyGroups *identity.Error
	if errors.As(err, &tooManyGroups) { // they may not call, but may see what was called
		err = nil
	}
	return tenancy.Tenant, err
}

// zones has the zones of budgets by name, because loading one reads a file.
var zones sync.Map

// zoneOf is the zone of a budget, as the manager has accepted it.
func zoneOf(name string) *time.Location {
	if known, ok := zones.Load(name); ok {
		return known.(*time.Location)
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	zones.Store(name, zone)
	return zone
}

// SpanParameters are a stretch of time.
type SpanParameters struct {
	From string `query:"from" maxLength:"40" example:"2026-11-01" doc:"From when on: a date in the tenant's time zone, such as 2026-11-01, or a time as RFC 3339 has it, such as 2026-11-01T00:00:00-03:00, to a quarter of an hour. Default: the beginning of this month in the tenant's zone."`
	To   string `query:"to" maxLength:"40" example:"2026-12-01" doc:"Until when, that moment excluded. Default: the end of this quarter of an hour, so that everything is there that has been recorded."`
}

// span is the stretch of time, in a zone.
func (p SpanParameters) span(zone *time.Location, now time.Time) (from, to time.Time, err error) {
	local := now.In(zone)
	from = period.StartOf(local.Year(), local.Month(), 1, zone)
	to = now.Truncate(history.Grain).Add(history.Grain)
	if p.From != "" {
		if from, err = moment("query.from", p.From, zone); err != nil {
			return from, to, err
		}
	}
	if p.To != "" {
		if to, err = moment("query.to", p.To, zone); err != nil {
			return from, to, err
		}
	}
	if !from.Before(to) {
		return from, to, invalid("query.from", "must be before to, which is "+to.In(zone).Format(time.RFC3339))
	}
	return from, to, nil
}

// moment is a date in a zone, or a time.
func moment(parameter, text string, zone *time.Location) (time.Time, error) {
	if date, err := time.Parse(time.DateOnly, text); err == nil {
		return inRange(parameter, period.StartOf(date.Year(), date.Month(), date.Day(), zone))
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, invalid(parameter, "must be a date, such as 2026-11-01, or a time with its zone, such as 2026-11-01T00:00:00Z (in a URL, write + as %2B)")
	}
	if !at.Equal(at.Truncate(history.Grain)) {
		return at, invalid(parameter, "must be a whole quarter of an hour")
	}
	return inRange(parameter, at)
}

// inRange refuses a moment that the database cannot compute with.
func inRange(parameter string, at time.Time) (time.Time, error) {
	if at.Year() < 2000 || at.Year() > 2200 {
		return at, invalid(parameter, "must be between the years 2000 and 2200")
	}
	return at, nil
}
