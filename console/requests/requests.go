package requests

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/bursar-dev/bursar/console/said"
	"github.com/bursar-dev/bursar/history"
)

// MostOpen is how many undecided requests a user can have. A request that expires still counts for a day:
// otherwise a user could make any number of requests that expire at once.
const MostOpen = 5

var (
	// ErrTooMany means that a user has MostOpen undecided requests.
	ErrTooMany = errors.New("too many requests are open")
	// ErrDecided means that the request was decided already.
	ErrDecided = errors.New("the request is decided already")
)

// Requests are where requests are kept.
type Requests struct{ db history.Database }

// New makes Requests of a login that is a member of bursar_reader and of bursar_console.
func New(db history.Database) *Requests { return &Requests{db} }

// Request is what a user of a tenant asks for.
type Request struct {
	Tenant, User string
	// By is what their credential proves.
	By string
	// Limit is the name of the limit, and Amount how much more of it, as it is written.
	Limit, Amount string
	ExpiresAt     time.Time
	Reason        string
}

const (
	// One at a time, for each user, so that each counts those before it.
	oneRequest = `SELECT pg_advisory_xact_lock(hashtextextended('bursar request ' || $1 || ' ' || $2, 0))`
	openOf     = `
SELECT count(*) FROM budget_requests AS r
WHERE tenant_id = $1 AND user_id = $2
  AND (expires_at > now() OR requested_at > now() - interval '1 day')
  AND NOT EXISTS (SELECT FROM budget_decisions AS d WHERE d.request_id = r.request_id)`
	addRequest = `
INSERT INTO budget_requests (tenant_id, user_id, requested_by, limit_name, amount, expires_at, reason)
VALUES (@tenant, @user, @by, @limit, @amount, @expires, @reason)
RETURNING request_id::text`
)

// Add adds a request, and returns its ID. It fails with ErrTooMany.
func (rs *Requests) Add(ctx context.Context, r Request) (id string, err error) {
	err = said.Write(ctx, rs.db, history.As{Tenant: r.Tenant, User: r.User}, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, oneRequest, r.Tenant, r.User); err != nil {
			return err
		}
		var open int
		if err := tx.QueryRow(ctx, openOf, r.Tenant, r.User).Scan(&open); err != nil {
			return err
		}
		if open >= MostOpen {
			return ErrTooMany
		}
		return tx.QueryRow(ctx, addRequest, pgx.NamedArgs{
			"tenant": r.Tenant, "user": r.User, "by": r.By, "limit": r.Limit, "amount": r.Amount, "expires": r.ExpiresAt, "reason": r.Reason,
		}).Scan(&id)
	})
	return id, err
}

// Decision is an admin's decision on a request.
type Decision struct {
	Tenant, ID string
	// Approved is whether it is granted, rather than declined.
	Approved bool
	// By is what their credential proves.
	By, Reason string
	// Namespace and Grant name the BudgetGrant of an approved request.
	Namespace, Grant string
	// Amount is how much more is granted, as it is written, and ExpiresAt until when, if the request is
	// approved.
	Amount    string
	ExpiresAt time.Time
}

const addDecision = `
INSERT INTO budget_decisions (request_id, tenant_id, approved, decided_by, reason, namespace, grant_name, granted_amount, granted_until)
VALUES (@id::uuid, @tenant, @approved, @by, @reason, @namespace, @grant, CASE WHEN @approved THEN @amount::text END, CASE WHEN @approved THEN @until::timestamptz END)`

// Decide adds a decision. If it returns nil, the request is decided in this way for good. It fails with
// ErrDecided if somebody else was first, even at the same moment.
func (rs *Requests) Decide(ctx context.Context, d Decision) error {
	return said.Write(ctx, rs.db, history.As{Tenant: d.Tenant, Admin: true}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, addDecision, pgx.NamedArgs{
			"id": d.ID, "tenant": d.Tenant, "approved": d.Approved, "by": d.By, "reason": d.Reason, "namespace": d.Namespace, "grant": d.Grant,
			"amount": d.Amount, "until": d.ExpiresAt,
		})
		var failure *pgconn.PgError
		const uniqueViolation = "23505"
		if errors.As(err, &failure) && failure.Code == uniqueViolation {
			return ErrDecided
		}
		return err
	})
}
