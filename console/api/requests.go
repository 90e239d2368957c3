package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
	"github.com/bursar-dev/bursar/console/requests"
	"github.com/bursar-dev/bursar/history"
)

// NewRequest is what a user asks for.
type NewRequest struct {
	Limit     string    `json:"limit" minLength:"1" maxLength:"63" doc:"The limit of the tenant's budget that you ask for more of: per User, it is yours; per Tenant, everybody's."`
	Amount    string    `json:"amount" minLength:"1" maxLength:"32" pattern:"^[0-9]+(\\.[0-9]{1,9})?$" patternDescription:"an amount such as 5.00" example:"5.00" doc:"How much more in each period, in the budget's currency."`
	Reason    string    `json:"reason" minLength:"1" maxLength:"512" pattern:"\\S" patternDescription:"more than spaces" doc:"Why: one line."`
	ExpiresAt time.Time `json:"expiresAt" doc:"Until when."`
}

// NewRequestInput is what a user asks for, and for which tenant.
type NewRequestInput struct {
	TenantParameter
	Body NewRequest
}

// RequestsInput says which requests are listed.
type RequestsInput struct {
	TenantParameter
	PageParameters
	Open bool `query:"open" doc:"Whether only those are listed that nobody has decided."`
}

// Requests is a page of requests, newest first.
type Requests struct {
	Tenant   string    `json:"tenant"`
	Currency string    `json:"currency" doc:"The currency that amounts are written in."`
	Requests []Request `json:"requests" nullable:"false"`
	Next     string    `json:"next,omitempty" doc:"What after is on the next page. Absent: this is the last."`
}

// Request is what somebody asks for.
type Request struct {
	ID          string    `json:"id"`
	Tenant      string    `json:"tenant"`
	User        string    `json:"user" doc:"Who asks."`
	RequestedBy string    `json:"requestedBy,omitempty" doc:"What their credential proves, for admins."`
	Limit       string    `json:"limit"`
	Amount      string    `json:"amount" doc:"How much more in each period, in the budget's currency."`
	Reason      string    `json:"reason"`
	ExpiresAt   time.Time `json:"expiresAt"`
	RequestedAt time.Time `json:"requestedAt"`
	State       string    `json:"state" enum:"Open,Approved,Declined"`
	Decision    *Decision `json:"decision,omitempty" doc:"What became of it. Absent: nobody has decided."`
}

// Decision is the decision on a request.
type Decision struct {
	By        string     `json:"by,omitempty" doc:"Who decided, for admins."`
	At        time.Time  `json:"at"`
	Reason    string     `json:"reason,omitempty" doc:"What they said."`
	Namespace string     `json:"namespace,omitempty"`
	Grant     string     `json:"grant,omitempty" doc:"The BudgetGrant in the namespace, of what was approved."`
	Amount    string     `json:"amount,omitempty" doc:"How much more was granted in each period, in the budget's currency, of what was approved."`
	ExpiresAt *time.Time `json:"expiresAt,omitempty" doc:"Until when it was granted, of what was approved."`
	Granted   bool       `json:"granted" doc:"Whether the BudgetGrant is on record, as it is a moment after it was made. If it never is, approving the request again makes it."`
}

// RequestParameter names a request.
type RequestParameter struct {
	ID string `path:"id" minLength:"36" maxLength:"36" pattern:"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$" patternDescription:"the id of a request, as /requests has it"`
}

// DecisionInput is an admin's reason to decline a request.
type DecisionInput struct {
	TenantParameter
	RequestParameter
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"512" doc:"What to tell who asked. One line."`
	}
}

// Approval is what an admin grants of a request.
type Approval struct {
	Reason    string     `json:"reason,omitempty" maxLength:"512" doc:"What to tell who asked. One line."`
	Amount    string     `json:"amount,omitempty" minLength:"1" maxLength:"32" pattern:"^[0-9]+(\\.[0-9]{1,9})?$" patternDescription:"an amount such as 5.00" example:"5.00" doc:"How much more to grant in each period, in the budget's currency. Absent: what is asked for."`
	ExpiresAt *time.Time `json:"expiresAt,omitempty" doc:"Until when to grant it. Absent: until when it is asked for."`
}

// ApprovalInput is what an admin grants of a request.
type ApprovalInput struct {
	TenantParameter
	RequestParameter
	Body Approval
}

// ApprovedRequest is a request that was approved.
type ApprovedRequest struct {
	Request
	Warnings []string `json:"warnings" nullable:"false" doc:"What the API server and Bursar's webhooks warn of."`
}

func (a *api) registerRequests(routes huma.API) {
	operation := bounded(changing(http.MethodPost, "makeRequest", "/requests", "Requests", "Ask for more",
		"Asks the admins for more of a limit, for a time and a reason. At most five requests of a user can be open; one that expires undecided counts for a day after it was made."))
	operation.DefaultStatus = http.StatusCreated
	handle(a, routes, operation, a.makeRequest)
	handle(a, routes, get("requests", "/requests", "Requests", "What was asked for", "Requests, newest first, page by page. A user sees their own, an admin those of the tenant."),
		func(ctx context.Context, who auth.Who, in *RequestsInput) (*Requests, error) {
			v, err := a.view(ctx, who, in.Tenant, auth.Member)
			if err != nil {
				return nil, err
			}
			found, next, err := a.Ledger.Requests(ctx, v.as, history.RequestQuery{OpenOnly: in.Open, Limit: in.Limit, After: in.After})
			if err != nil {
				return nil, err
			}
			budget, err := a.Cluster.Budget(ctx, v.tenant)
			if err != nil {
				return nil, err
			}
			page := &Requests{Tenant: v.tenant, Currency: currencyOf(budget), Requests: make([]Request, 0, len(found)), Next: next}
			for _, one := range found {
				page.Requests = append(page.Requests, v.requestOf(one))
			}
			return page, nil
		})
	const rights = " For who may grant it: an admin of the tenant, for limits per User, Group and Key; an admin of the platform, for every limit."
	handle(a, routes, changing(http.MethodPost, "approveRequest", "/requests/{id}/approve", "Requests", "Give what is asked for, or another amount",
		"Makes a BudgetGrant of what was asked for, or of another amount or until another time, and keeps who did."+rights), a.approveRequest)
	handle(a, routes, changing(http.MethodPost, "declineRequest", "/requests/{id}/decline", "Requests", "Decline what is asked for", "Keeps that it was declined, and who did."+rights), a.declineRequest)
}

func (a *api) makeRequest(ctx context.Context, who auth.Who, in *NewRequestInput) (*Request, error) {
	v, err := a.view(ctx, who, in.Tenant, auth.Member)
	if err != nil {
		return nil, err
	}
	budget, err := a.Cluster.Budget(ctx, v.tenant)
	if err != nil {
		return nil, err
	}
	limit, there := limitOf(budget, in.Body.Limit)
	switch per := perOf(limit.Per); {
	case !there:
		return nil, invalid("body.limit", "must be the name of a limit of the budget: /limits has those that your calls count against")
	case per != v1alpha1.ScopeUser && per != v1alpha1.ScopeTenant:
		return nil, invalid("body.limit", "must be a limit per User or per Tenant: for groups and keys, an admin makes a grant")
	case !isPositive(in.Body.Amount):
		return nil, notPositive()
	case !isOneLine(in.Body.Reason):
		return nil, invalid("body.reason", "must be one line of printable text")
	case !in.Body.ExpiresAt.After(a.Now()), in.Body.ExpiresAt.After(a.Now().AddDate(1, 0, 0)):
		return nil, invalid("body.expiresAt", "must be in the future, and within a year")
	}
	tenancy, belongs := who.In(v.tenant)
	if !belongs {
		return nil, forbidden("you do not belong to the tenant: grant what it needs")
	}
	id, err := a.Requests.Add(ctx, requests.Request{
		Tenant: v.tenant, User: tenancy.User, By: personOf(who), Limit: limit.Name, Amount: in.Body.Amount, Reason: in.Body.Reason, ExpiresAt: in.Body.ExpiresAt,
	})
	if err != nil {
		return nil, err
	}
	return a.request(ctx, v, id)
}

func isPositive(amount string) bool {
	n, err := money.Parse(amount)
	return err == nil && n > 0
}

// notPositive is the problem of an amount that is not.
func notPositive() error { return invalid("body.amount", "must be more than 0 and at most 9000000") }

// request is a request that the caller may see.
func (a *api) request(ctx context.Context, v view, id string) (*Request, error) {
	found, err := a.Ledger.Request(ctx, v.as, id)
	if err != nil {
		return nil, err
	}
	request := v.requestOf(found)
	return &request, nil
}

// deciding is a request that the caller may decide, and its budget.
type deciding struct {
	view    view
	budget  *v1alpha1.TenantBudget
	request history.BudgetRequest
}

// deciding finds a request of a tenant that the caller administers.
func (a *api) deciding(ctx context.Context, who auth.Who, tenant, id, reason string) (d deciding, err error) {
	if d.view, err = a.view(ctx, who, tenant, auth.Admin); err != nil {
		return d, err
	}
	if !isOneLine(reason) {
		return d, invalid("body.reason", "must be one line of printable text")
	}
	if d.request, err = a.Ledger.Request(ctx, d.view.as, id); err != nil {
		return d, err
	}
	if d.budget, err = a.Cluster.Budget(ctx, d.view.tenant); err != nil {
		return d, err
	}
	return d, reservedGrant(who, d.budget, d.request.Limit)
}

func (a *api) declineRequest(ctx context.Context, who auth.Who, in *DecisionInput) (*Request, error) {
	d, err := a.deciding(ctx, who, in.Tenant, in.ID, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	if err := a.Requests.Decide(ctx, requests.Decision{Tenant: d.view.tenant, ID: in.ID, By: personOf(who), Reason: in.Body.Reason}); err != nil {
		return nil, err
	}
	return a.request(ctx, d.view, in.ID)
}

func (a *api) approveRequest(ctx context.Context, who auth.Who, in *ApprovalInput) (*ApprovedRequest, error) {
	d, err := a.deciding(ctx, who, in.Tenant, in.ID, in.Body.Reason)
	if err != nil {
		return nil, err
	}
	warnings, err := a.approve(ctx, who, d, in.Body)
	if err != nil {
		return nil, err
	}
	request, err := a.request(ctx, d.view, in.ID)
	if err != nil {
		return nil, err
	}
	return &ApprovedRequest{*request, append([]string{}, warnings...)}, nil
}

// grantTimeout bounds making a grant, even if the caller is gone.
const grantTimeout = 10 * time.Second

// approve decides a request and then makes its grant, and returns the API server's warnings. The
// order ensures that a declined request never has a grant. If the grant was not made, approving the
// request again makes it, as it was decided.
func (a *api) approve(ctx context.Context, who auth.Who, d deciding, granted Approval) (warnings []string, err error) {
	decision := requests.Decision{
		Tenant: d.view.tenant, ID: d.request.ID, Approved: true, By: personOf(who), Reason: granted.Reason,
		Namespace: d.budget.Namespace, Grant: "request-" + d.request.ID,
	}
	if d.request.Decision != nil {
		decision.Amount, decision.ExpiresAt = granted.or(d.request.Decision.Amount, d.request.Decision.ExpiresAt)
		err = a.checkAgain(ctx, who, d.request.Decision, decision)
	} else {
		decision.Amount, decision.ExpiresAt = granted.or(d.request.Amount, d.request.ExpiresAt)
		err = a.decide(ctx, who, d, decision)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grantTimeout)
	defer cancel()
	return a.grantRequested(ctx, who, a.by(who), d, decision)
}

// decide records that a request is approved, if its grant could be made.
func (a *api) decide(ctx context.Context, who auth.Who, d deciding, decision requests.Decision) error {
	if !isPositive(decision.Amount) {
		return notPositive()
	}
	if _, err := a.grantRequested(ctx, who, a.by(who).Trying(), d, decision); err != nil {
		return err
	}
	return a.Requests.Decide(ctx, decision)
}

// checkAgain fails unless a request was approved before with the same grant, which was not made yet.
func (a *api) checkAgain(ctx context.Context, who auth.Who, before *history.RequestDecision, now requests.Decision) error {
	isGranted, err := a.isGranted(ctx, who, before)
	if err != nil {
		return err
	}
	if isGranted || now.Amount != before.Amount || !now.ExpiresAt.Equal(before.ExpiresAt) {
		return requests.ErrDecided
	}
	return nil
}

// or is how much is granted, and until when: to the second, as a BudgetGrant has it. What the
// approval does not name is as given.
func (g Approval) or(amount string, until time.Time) (string, time.Time) {
	if g.Amount != "" {
		amount = g.Amount
	}
	if g.ExpiresAt != nil {
		until = g.ExpiresAt.Truncate(time.Second)
	}
	return amount, until
}

// isGranted reports whether a decision needs no grant, or its grant was made, even if that was taken
// back since.
func (a *api) isGranted(ctx context.Context, who auth.Who, d *history.RequestDecision) (bool, error) {
	if !d.Approved || d.Granted {
		return true, nil
	}
	err := a.by(who).Read(ctx, &v1alpha1.BudgetGrant{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: d.Grant}})
	if errors.Is(err, cluster.ErrNone) {
		return false, nil
	}
	return err == nil, err
}

// grantRequested makes the grant of a request, as it was decided. It also succeeds if an earlier
// attempt made the grant and its answer was lost.
func (a *api) grantRequested(ctx context.Context, who auth.Who, by cluster.Writer, d deciding, decision requests.Decision) (warnings []string, err error) {
	grant := NewGrant{Limit: d.request.Limit, Amount: decision.Amount, Reason: d.request.Reason, ExpiresAt: decision.ExpiresAt}
	if limit, _ := limitOf(d.budget, grant.Limit); perOf(limit.Per) == v1alpha1.ScopeUser {
		grant.User = d.request.User
	}
	made, err := a.makeGrant(ctx, who, by, d.budget, decision.Grant, grant)
	switch {
	case errors.Is(err, cluster.ErrThere):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return made.Warnings, nil
}

// requestOf is a request as the caller may see it.
func (v view) requestOf(r history.BudgetRequest) Request {
	told := Request{
		ID: r.ID, Tenant: v.tenant, User: r.User, RequestedBy: r.By, Limit: r.Limit, Amount: r.Amount, Reason: r.Reason,
		ExpiresAt: r.ExpiresAt.UTC(), RequestedAt: r.At.UTC(), State: "Open",
	}
	if d := r.Decision; d != nil {
		told.State = "Declined"
		if d.Approved {
			told.State = "Approved"
		}
		told.Decision = &Decision{By: d.By, At: d.At.UTC(), Reason: d.Reason, Namespace: d.Namespace, Grant: d.Grant, Amount: d.Amount, Granted: d.Granted}
		if d.Approved {
			told.Decision.ExpiresAt = utc(&d.ExpiresAt)
		}
	}
	if !v.isAdmin() {
		told.RequestedBy = ""
		if told.Decision != nil {
			told.Decision.By = ""
		}
	}
	return told
}

// ofRequest is the problem of a request that cannot be stored; nil for other errors.
func ofRequest(err error) *Problem {
	switch {
	case errors.Is(err, history.ErrNoRequest):
		return notFound("there is no such request, or it is not yours to see")
	case errors.Is(err, requests.ErrDecided):
		return problem(http.StatusConflict, "already_decided", "Already decided", "somebody has approved or declined it already")
	case errors.Is(err, requests.ErrTooMany):
		p := problem(http.StatusTooManyRequests, "too_many_requests", "Too many requests", "you have five open requests: wait for an answer to one of them")
		p.header = http.Header{"Retry-After": {"3600"}}
		return p
	}
	return nil
}
