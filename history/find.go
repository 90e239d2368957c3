package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/price"
)

// Call is what is on record of one call.
type Call struct {
	ID, Tenant, User, Tier string
	// Credential is the name of the APIKey, "namespace/name"; empty for a token.
	Credential string
	// IdentityProvider is that of the token, and Subject its claim sub; empty for an API key.
	IdentityProvider, Subject string
	// Actor is the user of the credential, if it made the call for another user, who is User;
	// otherwise empty.
	Actor string
	// Groups and Labels are the caller's.
	Groups []string
	Labels map[string]string
	// ModelAsked is the model that the caller asked for, and Model the model that was called.
	ModelAsked, Model string
	Endpoint          string
	// At is when it was admitted or refused.
	At time.Time
	// Bound is the most that it could cost.
	Bound money.Nanos
	// Admission is what is on record of a call that was admitted, and Refusal of one that was
	// refused. A call has both if the fallback CheapestModel was called in its place.
	Admission *Admission
	Refusal   *LimitRefusal
}

// Caller is who made the call.
func (c Call) Caller() limiterv1.Caller {
	return limiterv1.Caller{User: c.User, Key: c.Credential, Tier: c.Tier, Groups: c.Groups, Labels: c.Labels}
}

// Admission is how a call was admitted, and how it ended.
type Admission struct {
	Decision      ledgerv1.Decision
	Outcome       ledgerv1.Outcome
	Provider      string
	Streamed      bool
	SettledAt     time.Time
	Cost, Overrun money.Nanos
	Tokens        int64
	Ancestors     []string
	// PricedAs says whose prices Cost was computed from.
	PricedAs ledgerv1.Pricing
	// Properties and Uses are what else the cost depended on, and ServiceTier is the tier of
	// its prices; empty for the provider's default.
	ServiceTier price.ServiceTier
	Properties  price.Properties
	Uses        price.Uses
	// LoweredBy is why the provider was asked for less output than the caller had wanted, and
	// MaxOutputTokens how much output of each answer it was asked for; empty and 0 if it was
	// asked for as much.
	LoweredBy       ledgerv1.Lowering
	MaxOutputTokens int64
}

// LimitRefusal is why a call was refused: the first limit that refused, as it stood.
type LimitRefusal struct {
	Reason ledgerv1.Reason
	// Tenant and Limit name the limit; Limit is empty if a breaker was forced open.
	Tenant, Limit string
	Per           limiterv1.Scope
	// Group is the caller's group whose limit refused, for a limit per group.
	Group string
	// Of a money limit.
	Period              period.Kind
	Amount, Spent, Held money.Nanos
	ResetsAt            time.Time
	// Of a rate limit. RetryAfter is zero if it was not known.
	Unit       limiterv1.Unit
	RetryAfter time.Duration
	Tokens     int64
	// Fallback is what answered in the call's place; empty where nothing did.
	Fallback limiterv1.FallbackKind
}

// ErrNoCall means that there is no call with the ID.
var ErrNoCall = errors.New("the ledger has no such call: it has calls that have ended, and those that a limit refused")

var admittedColumns = `call_id, user_id, tier, credential, identity_provider, subject, actor, groups, labels, model_asked, ` + modelOf + `, endpoint, admitted_at, held_nanos,
       decision, outcome, provider, streamed, coalesce(settled_at, admitted_at), cost_nanos, overrun_nanos,
       ` + usedTokens + `, ancestors, priced_as,
       service_tier, price_properties, fee_uses, output_lowered_by, coalesce(max_output_tokens, 0)`

var findAdmitted = "SELECT " + admittedColumns + " FROM ai_usage_logs WHERE tenant_id = @tenant AND call_id = @call"

const refusedColumns = `call_id, user_id, tier, credential, identity_provider, subject, actor, groups, labels, model_asked, model, endpoint, refused_at, bound_nanos,
       reason, limit_tenant, limit_name, per, limit_group, period, coalesce(amount_nanos, 0), coalesce(spent_nanos, 0),
       coalesce(held_nanos, 0), coalesce(resets_at, refused_at), unit, coalesce(retry_after_ms, 0), tokens, fallback`

const findRefused = "SELECT " + refusedColumns + " FROM ai_refusals WHERE tenant_id = @tenant AND call_id = @call"

// Find is what is on record of a call of the tenant. It fails with ErrNoCall if there is
// nothing.
func (r *Reader) Find(ctx context.Context, tenant, id string) (call Call, err error) {
	return r.Call(ctx, As{Tenant: tenant, Admin: true}, id)
}

// Call is what is on record of a call of the tenant, if it may be read. It fails with
// ErrNoCall if there is nothing, or nothing that may be read.
func (r *Reader) Call(ctx context.Context, as As, id string) (call Call, err error) {
	if err := as.validate(); err != nil {
		return Call{}, err
	}
	args := pgx.NamedArgs{"tenant": as.Tenant, "call": id}
	err = r.read(ctx, as, func(tx pgx.Tx) error {
		admitted, found, err := one(ctx, tx, findAdmitted, args, scanAdmitted)
		if err != nil {
			return err
		}
		refused, wasRefused, err := one(ctx, tx, findRefused, args, scanRefused)
		switch {
		case err != nil:
			return err
		case !found && !wasRefused:
			return ErrNoCall
		case !found:
			call = refused
			return nil
		}
		call, call.Refusal = admitted, refused.Refusal
		return nil
	})
	call.Tenant = as.Tenant
	if err != nil {
		return Call{}, fmt.Errorf("call %s of tenant %s: %w", id, as.Tenant, err)
	}
	return call, nil
}

func one[T any](
	ctx context.Context, tx pgx.Tx, query string, args pgx.NamedArgs, scan pgx.RowToFunc[T],
) (value T, found bool, err error) {
	rows, err := tx.Query(ctx, query, args)
	if err != nil {
		return value, false, err
	}
	value, err = pgx.CollectOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return value, false, nil
	}
	return value, err == nil, err
}

func scanAdmitted(row pgx.CollectableRow) (Call, error) {
	var c Call
	var a Admission
	err := row.Scan(&c.ID, &c.User, &c.Tier, &c.Credential, &c.IdentityProvider, &c.Subject, &c.Actor, &c.Groups, &c.Labels, &c.ModelAsked, &c.Model, &c.Endpoint, &c.At, &c.Bound,
		&a.Decision, &a.Outcome, &a.Provider, &a.Streamed, &a.SettledAt, &a.Cost, &a.Overrun, &a.Tokens, &a.Ancestors, &a.PricedAs,
		&a.ServiceTier, &a.Properties, &a.Uses, &a.LoweredBy, &a.MaxOutputTokens)
	c.Admission = &a
	return c, err
}

func scanRefused(row pgx.CollectableRow) (Call, error) {
	var c Call
	var r LimitRefusal
	var retryAfter int64
	err := row.Scan(&c.ID, &c.User, &c.Tier, &c.Credential, &c.IdentityProvider, &c.Subject, &c.Actor, &c.Groups, &c.Labels, &c.ModelAsked, &c.Model, &c.Endpoint, &c.At, &c.Bound,
		&r.Reason, &r.Tenant, &r.Limit, &r.Per, &r.Group, &r.Period, &r.Amount, &r.Spent,
		&r.Held, &r.ResetsAt, &r.Unit, &retryAfter, &r.Tokens, &r.Fallback)
	r.RetryAfter = time.Duration(retryAfter) * time.Millisecond
	c.Refusal = &r
	return c, err
}
