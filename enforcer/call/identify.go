package call

import (
	"context"
	"net/url"
	"strings"

	"github.com/bursar-dev/bursar/api/identity/identify"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// identify finds out who calls, and who pays.
func (c *Call) identify(ctx context.Context) (problem *Problem) {
	p := c.Endpoint.Protocol()
	c.query = identityQuery(p, c.Query)
	c.subject, problem = c.calls.Identify(ctx, identity.Request{Protocol: p, Header: c.Header, Query: c.query})
	if problem != nil {
		return problem
	}
	var ok bool
	if c.tenant, ok = c.calls.Config.Tenant(c.subject.Tenant); !ok {
		return c.calls.absent(noBudget(c.subject))
	}
	if policy := c.tenant.Document().RefusesTier(c.subject.Tier); policy != "" {
		return unlimitedTier(c.subject, policy)
	}
	return nil
}

// unknownError means that a call has waited, and its caller may not make it any more.
type unknownError struct{ problem *Problem }

func (e *unknownError) Error() string { return e.problem.Message }

// identifyAgain finds out anew who calls, and who pays, when a call has waited: the limits may have changed,
// and this process may have slept while the key was deleted.
func (c *Call) identifyAgain(ctx context.Context) error {
	ctx, cancel := context.WithDeadline(ctx, c.decideBy)
	defer cancel()
	subject, tenant := c.subject, c.tenant
	problem := c.identify(ctx)
	if problem == nil && (c.subject.Tenant != subject.Tenant || c.subject.User != subject.User) {
		problem = storeLost() // what was done so far was done for another caller
	}
	if problem != nil {
		c.subject, c.tenant = subject, tenant // the call that is refused is theirs
		return &unknownError{problem}
	}
	return nil
}

// identityQuery is the query, parsed, if it may say who is calling: clients of some
// protocols send their key there, and any may name the tenant that pays.
func identityQuery(p protocol.Protocol, query string) url.Values {
	if p.KeyParameter() == "" && !strings.Contains(query, identify.TenantParameter) {
		return nil
	}
	return parseQuery(query)
}

// parseQuery is the well-formed part of a query.
func parseQuery(query string) url.Values {
	values, _ := url.ParseQuery(query) // what is malformed is left out, as servers do
	return values
}

// Identify returns who has sent a request, or why it is refused: the caller is unknown, or
// the session has not begun. It waits a moment for the session.
func (calls *Calls) Identify(ctx context.Context, request identity.Request) (admission.Subject, *Problem) {
	subject, err := calls.Identifier.Identify(ctx, request)
	if err != nil {
		return subject, unidentified(err)
	}
	return subject, calls.awaitSession(ctx)
}

// awaitSession waits, for a moment, until others know of the session: only then do they
// wait for this process to follow the configuration.
func (calls *Calls) awaitSession(ctx context.Context) *Problem {
	select {
	case <-calls.Begun:
		return nil
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, suspendedWait)
	defer cancel()
	select {
	case <-calls.Begun:
		return nil
	case <-ctx.Done():
		return notConfigured()
	}
}
