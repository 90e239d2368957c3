package budgetstore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Grants are the rows of BudgetGrants.
type Grants struct{ pool *pgxpool.Pool }

// NewGrants makes Grants.
func NewGrants(pool *pgxpool.Pool) *Grants { return &Grants{pool: pool} }

// Grant is what is recorded of a BudgetGrant.
type Grant struct {
	limiterv1.Grant
	// UID is that of the object, Namespace its namespace.
	UID, Namespace string
	Tenant, Limit  string
	Reason         string
	// CreatedAt is when the object was created.
	CreatedAt time.Time
	// Gist is that of the spec.
	Gist string
	// Currency is the code of the currency that the amount is written in, and Written that
	// amount; empty for US dollars.
	Currency, Written string
}

const recordGrant = `
INSERT INTO budget_grants (
  grant_uid, tenant_id, namespace, grant_name, limit_name, user_id, group_name, credential, amount_nanos, reason, starts_at, expires_at, created_at, currency, amount_written, created_by)
VALUES (@uid, @tenant, @namespace, @name, @limit, nullif(@user, ''), nullif(@group, ''), nullif(@key, ''), @amount, @reason, @starts, @expires, @created,
        coalesce(nullif(@currency, ''), 'USD'), @written,
        coalesce((SELECT array_agg(DISTINCT user_name ORDER BY user_name) FROM change_requests WHERE object_uid = @uid AND gist = @gist), '{}'))
ON CONFLICT (grant_uid) DO NOTHING`

// Record makes a row for the grant. Recording again changes nothing.
func (g *Grants) Record(ctx context.Context, grant Grant) error {
	args := pgx.NamedArgs{
		"uid": grant.UID, "tenant": grant.Tenant, "namespace": grant.Namespace, "name": grant.Name, "limit": grant.Limit,
		"user": grant.User, "group": grant.Group, "key": grant.Key, "amount": int64(grant.Amount), "reason": storable(grant.Reason),
		"starts": nilIfZero(grant.StartsAt), "expires": grant.ExpiresAt, "created": grant.CreatedAt, "gist": grant.Gist, "currency": grant.Currency, "written": grant.Written,
	}
	if err := inOrder(ctx, g.pool, args, recordGrant); err != nil {
		return fmt.Errorf("record grant %s/%s: %w", grant.Namespace, grant.Name, err)
	}
	return nil
}

// storable is a text as Postgres takes it: valid UTF-8 without NUL. No text must keep a
// row from being written, because that would keep its object from being deleted.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
}

func nilIfZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

const closeGrant = `
UPDATE budget_grants SET withdrawn_at = now()
WHERE grant_uid = @uid AND withdrawn_at IS NULL`

// Close notes in the row of the grant with the UID that it was withdrawn, and reports
// whether that is new. One that was never recorded has no row.
func (g *Grants) Close(ctx context.Context, uid string) (closed bool, err error) {
	done, err := g.pool.Exec(ctx, closeGrant, pgx.NamedArgs{"uid": uid})
	if err != nil {
		return false, fmt.Errorf("close grant %s: %w", uid, err)
	}
	return done.RowsAffected() > 0, nil
}

// Open are the grants that have not expired and whose rows are not closed.
func (g *Grants) Open(ctx context.Context) ([]Owner, error) {
	const open = `
SELECT tenant_id, namespace, grant_name, grant_uid FROM budget_grants WHERE withdrawn_at IS NULL AND expires_at > now()`
	owners, err := ownersOf(ctx, g.pool, open)
	if err != nil {
		return nil, fmt.Errorf("read the grants on record: %w", err)
	}
	return owners, nil
}
