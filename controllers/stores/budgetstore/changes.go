package budgetstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Changes are the rows that say who asked for which change.
type Changes struct{ pool *pgxpool.Pool }

// NewChanges makes Changes.
func NewChanges(pool *pgxpool.Pool) *Changes { return &Changes{pool: pool} }

// ChangeRequest is a request to the API server to change an object.
type ChangeRequest struct {
	// UID is that of the object, Generation the one that the request gives it.
	UID        string
	Generation int64
	// Gist is that of the spec that the request gives it.
	Gist string
	// User is who asks, as the API server has authenticated them.
	User string
}

// GistOfDeletion is the Gist of a request to delete.
const GistOfDeletion = "deleted"

// Gist is the same for specs that say the same.
func Gist(spec any) string {
	raw, err := json.Marshal(spec)
	if err != nil {
		return "" // which is the gist of no request
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// requestsAreKept is for how long a request is remembered, until its object is recorded.
const requestsAreKept = 24 * time.Hour

const askedFor = `
WITH over AS (DELETE FROM change_requests WHERE asked_at < now() - @kept::interval)
INSERT INTO change_requests (object_uid, generation, gist, user_name)
VALUES (@uid, @generation, @gist, @user)
ON CONFLICT DO NOTHING`

// Asked remembers who asked for a change. What becomes of it is for Limits and Grants to
// record.
func (c *Changes) Asked(ctx context.Context, request ChangeRequest) error {
	args := pgx.NamedArgs{
		"uid": request.UID, "generation": request.Generation, "gist": request.Gist, "user": storable(request.User), "kept": requestsAreKept,
	}
	if _, err := c.pool.Exec(ctx, askedFor, args); err != nil {
		return fmt.Errorf("record who asked for generation %d of %s: %w", request.Generation, request.UID, unanswered(err))
	}
	return nil
}

// Change is how a TenantBudget became what it is.
type Change struct {
	ResourceVersion string
	// Gist is that of the spec.
	Gist string
	// FieldManager is the last manager of the spec, a name that clients choose, and ManagedAt
	// when it changed the spec.
	FieldManager string
	ManagedAt    time.Time
	// Enforcement and BreakerForced are as in the spec.
	Enforcement, BreakerForced string
	// Currency is what amounts are written in; without a code for US dollars.
	Currency Currency
}

// Currency is a currency that amounts are written in.
type Currency struct {
	Code string
	// USDPerUnit is the declared rate, a decimal number, and AsOf its date, "2026-10-01".
	USDPerUnit, AsOf string
	// Written are the amounts as they are written, by the names of limits.
	Written map[string]string
}

// recordChange adds a row for the generation, with the users who asked for it: those who
// asked for what it says and, if generations before it were never recorded, those who asked
// for any of these.
const recordChange = `
INSERT INTO budget_changes (tenant_id, namespace, budget, budget_uid, generation, change, resource_version, field_manager, managed_at,
                            enforcement, breaker_forced, currency, usd_per_unit, rate_as_of, changed_by)
SELECT @tenant, @namespace, @name, @uid, @generation, 'Set', @version, @manager, @managed, @enforcement, @forced,
       coalesce(nullif(@currency, ''), 'USD'), coalesce(nullif(@rate, ''), '1')::numeric, nullif(@asof, '')::date,
       coalesce((SELECT array_agg(DISTINCT user_name ORDER BY user_name) FROM change_requests
                 WHERE object_uid = @uid
                   AND (generation = @generation AND gist = @gist
                        OR generation < @generation
                           AND generation > (SELECT coalesce(max(generation), @generation) FROM budget_changes WHERE budget_uid = @uid))), '{}')
ON CONFLICT DO NOTHING`

// recordDeletion adds a row for the end of the budget, unless another has its tenant.
const recordDeletion = `
INSERT INTO budget_changes (tenant_id, namespace, budget, budget_uid, generation, change, changed_by)
SELECT tenant_id, namespace, budget, budget_uid, generation, 'Deleted',
       coalesce((SELECT array_agg(DISTINCT user_name ORDER BY user_name) FROM change_requests
                 WHERE object_uid = @uid AND gist = @deletion), '{}')
FROM tenants
WHERE tenant_id = @tenant AND budget_uid = @uid AND withdrawn_at IS NULL
ON CONFLICT DO NOTHING`
