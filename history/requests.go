package history

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoRequest means that there is no request with the ID that may be read.
var ErrNoRequest = errors.New("there is no such request")

// BudgetRequest is what somebody asks for beyond a limit.
type BudgetRequest struct {
	ID string
	// User is the user who asks, and By what their credential proves.
	User, By string
	Limit    string
	// Amount is how much more, as it is written.
	Amount    string
	ExpiresAt time.Time
	Reason    string
	At        time.Time
	// Decision is what became of it; nil while nobody has decided.
	Decision *RequestDecision
}

// RequestDecision is the decision on a request.
type RequestDecision struct {
	// Approved is whether it was granted, rather than declined.
	Approved   bool
	By, Reason string
	// Namespace and Grant name the BudgetGrant of an approved request.
	Namespace, Grant string
	// Amount is how much more was granted, as it is written, and ExpiresAt until when; empty and zero
	// if the request was declined.
	Amount    string
	ExpiresAt time.Time
	At        time.Time
	// Granted is whether that BudgetGrant is on record, even if it is gone by now.
	Granted bool
}

// RequestQuery says which requests are listed.
type RequestQuery struct {
	// OpenOnly leaves out those that are decided.
	OpenOnly bool
	// Limit is how many are returned at most; 0 is DefaultPage.
	Limit int
	// After is the Next of the page before; empty for the first page.
	After string
}

const requestColumns = `
SELECT r.request_id::text, r.user_id, r.requested_by, r.limit_name, r.amount, r.expires_at, r.reason, r.requested_at,
       d.approved, d.decided_by, d.reason, d.namespace, d.grant_name, d.decided_at,
       CASE WHEN d.approved THEN coalesce(d.granted_amount, r.amount) ELSE '' END, CASE WHEN d.approved THEN coalesce(d.granted_until, r.expires_at) END,
       EXISTS (SELECT FROM budget_grants AS g WHERE (g.tenant_id, g.namespace, g.grant_name) = (d.tenant_id, d.namespace, d.grant_name))
FROM budget_requests AS r LEFT JOIN budget_decisions AS d USING (request_id)
WHERE r.tenant_id = @tenant AND `

const requestsOf = requestColumns + `(@all OR d.request_id IS NULL) AND (r.requested_at, r.request_id::text) < (@at, @id)
ORDER BY r.requested_at DESC, r.request_id::text DESC
LIMIT @limit`

var requestList = newestFirst[BudgetRequest]{"requests", requestsOf, scanRequest, func(r BudgetRequest) cursor { return cursor{r.At, r.ID} }}

// Requests lists the requests of a tenant that may be read, newest first, and returns the After
// of the next page; empty on the last one. It fails with an ErrQuery where the query is invalid.
func (r *Reader) Requests(ctx context.Context, as As, query RequestQuery) (requests []BudgetRequest, next string, err error) {
	return requestList.page(ctx, r, as, query.Limit, query.After, pgx.NamedArgs{"all": !query.OpenOnly})
}

const requestWithID = requestColumns + `r.request_id::text = @id`

// Request is a request of a tenant that may be read. It fails with ErrNoRequest if there is none.
func (r *Reader) Request(ctx context.Context, as As, id string) (request BudgetRequest, err error) {
	found := false
	err = r.read(ctx, as, func(tx pgx.Tx) (err error) {
		request, found, err = one(ctx, tx, requestWithID, pgx.NamedArgs{"tenant": as.Tenant, "id": id}, scanRequest)
		return err
	})
	switch {
	case err != nil:
		return BudgetRequest{}, fmt.Errorf("read a request of tenant %s: %w", as.Tenant, err)
	case !found:
		return BudgetRequest{}, ErrNoRequest
	}
	return request, nil
}

func scanRequest(row pgx.CollectableRow) (r BudgetRequest, err error) {
	var approved *bool
	var by, reason, namespace, grant *string
	var at, until *time.Time
	var amount string
	granted := false
	err = row.Scan(&r.ID, &r.User, &r.By, &r.Limit, &r.Amount, &r.ExpiresAt, &r.Reason, &r.At, &approved, &by, &reason, &namespace, &grant, &at, &amount, &until, &granted)
	if err == nil && approved != nil {
		r.Decision = &RequestDecision{Approved: *approved, By: *by, Reason: *reason, Namespace: *namespace, Grant: *grant, Amount: amount, At: *at, Granted: granted}
		if until != nil {
			r.Decision.ExpiresAt = *until
		}
	}
	return r, err
}
