package pages

import (
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/bursar-dev/bursar/console/api"
)

// askForm is the form to ask for more.
type askForm struct {
	To                         string
	Form                       form
	Complaints                 *complaints
	Limit, Amount, For, Reason input
}

// fields are those of the form, by their names in the API.
func (f *askForm) fields() map[string]*input {
	return map[string]*input{"body.limit": &f.Limit, "body.amount": &f.Amount, "body.expiresAt": &f.For, "body.reason": &f.Reason}
}

// untilReset is the choice to have more until the limit resets.
const untilReset = "reset"

// askable are the limits of which the reader may ask for more.
func askable(limits *api.Limits) []api.Limit {
	return slices.DeleteFunc(slices.Clone(limits.Money), func(l api.Limit) bool { return !isAskable(l, limits) })
}

// isAskable reports whether the reader may ask for more of a limit.
func isAskable(limit api.Limit, limits *api.Limits) bool {
	return limit.Tenant == limits.Tenant && (limit.Per == "Tenant" || limit.Per == "User")
}

// asking is the form to ask for more, with a limit that is chosen in advance, filled in with what was
// sent.
func (p *Pages) asking(q *request, limits *api.Limits, limit string) askForm {
	f := askForm{To: q.path("/requests/new", nil), Form: q.form()}
	var options []pick
	for _, l := range askable(limits) {
		whose := q.l.say("yours")
		if l.Per == "Tenant" {
			whose = q.l.word("Tenant")
		}
		options = append(options, pick{Name: l.Name + ", " + q.l.period(l.Period) + ", " + whose, Value: l.Name})
	}
	f.Limit = p.bounded(field("limit", "select", q.l.say("Limit"), ""), "makeRequest", "limit")
	f.Limit.Options = choose(options, limit)
	f.Amount = q.amountField("amount", q.l.say("More in each period, %s", limits.Currency), q.field("amount"))
	f.For = field("for", "select", q.l.say("For how long"), "")
	lasts := q.field("for")
	if lasts == "" {
		lasts = untilReset
	}
	f.For.Options = choose(q.lastingOptions(pick{Name: q.l.say("Until the limit resets"), Value: untilReset}), lasts)
	f.Reason = p.bounded(field("reason", "text", q.l.say("Why"), q.field("reason")), "makeRequest", "reason")
	f.Reason.Hint = q.l.say("One line, which the administrators read.")
	return f
}

// askPage is the page on which somebody asks for more.
type askPage struct {
	Ask  askForm
	Back string
	// NoLimit is whether there is no limit of which the reader could ask for more.
	NoLimit bool
}

func (p *Pages) ownLimits(q *request) (*api.Limits, error) {
	if q.tenant.user == "" {
		return nil, forbiddenPage()
	}
	return p.ask.limits(q.ctx, q.who, &api.LimitsInput{TenantParameter: q.tenant.parameter()})
}

// newRequest is the page on which somebody asks for more.
func (p *Pages) newRequest(q *request) (view, error) {
	limits, err := p.ownLimits(q)
	if err != nil {
		return view{}, err
	}
	return p.asks(q, limits, q.URL.Query().Get("limit"), nil)
}

// asks is the page with the form, and the errors of what was sent.
func (p *Pages) asks(q *request, limits *api.Limits, limit string, failed error) (v view, err error) {
	page := &askPage{Ask: p.asking(q, limits, limit), Back: q.path("/usage", nil), NoLimit: len(askable(limits)) == 0}
	if failed != nil {
		page.Ask.Complaints, err = q.complain(failed, page.Ask.fields())
	}
	return view{template: "ask", title: q.l.say("Ask for more"), body: page, status: statusOf(failed)}, err
}

// makeRequest asks for more.
func (p *Pages) makeRequest(q *request) (view, error) {
	limits, err := p.ownLimits(q)
	if err != nil {
		return view{}, err
	}
	body := api.NewRequest{Limit: q.field("limit"), Amount: q.l.amount(q.field("amount")), Reason: q.field("reason")}
	body.ExpiresAt = q.now.AddDate(0, 0, daysOf(q.field("for")))
	if q.field("for") == untilReset {
		for _, limit := range askable(limits) {
			if limit.Name == body.Limit {
				body.ExpiresAt = limit.ResetsAt
			}
		}
	}
	if err = p.API.CheckBody("makeRequest", body); err == nil {
		_, err = p.ask.makeRequest(q.ctx, q.who, &api.NewRequestInput{TenantParameter: q.tenant.parameter(), Body: body})
	}
	if err != nil {
		return p.asks(q, limits, body.Limit, err)
	}
	return q.done("/requests", "asked"), nil
}

// requestRow is what somebody asks for.
type requestRow struct {
	ID, To, When, User, By, Limit, Scope, Amount, Until, UntilIn, Reason string
	State, Class, Decided, Answer                                        string
	// Granted is how much was granted, and GrantedUntil until when, if that differs from what was asked
	// for.
	Granted, GrantedUntil string
	// IsOpen is whether it can still be granted.
	IsOpen bool
	// MayDecide is whether the reader may decide it.
	MayDecide bool
	// Form is the form that decides it, with how much is granted and for how long.
	Form       form
	Complaints *complaints
	Given, For input
	Words      input
}

// fields are those of the form, by their names in the API.
func (r *requestRow) fields() map[string]*input {
	return map[string]*input{"body.amount": &r.Given, "body.expiresAt": &r.For, "body.reason": &r.Words}
}

// requestsPage is the requests of a tenant, or of the reader.
type requestsPage struct {
	Open, Rest []requestRow
	IsAdmin    bool
	MayAsk     bool
	Ask, Next  string
	Success    success
	Facts      facts
}

// requests is the page of what was asked for.
func (p *Pages) requests(q *request) (view, error) { return p.requestsWith(q, "", nil) }

// requestsWith is that page, with the error of a decision.
func (p *Pages) requestsWith(q *request, decided string, failed error) (view, error) {
	found, err := p.ask.requests(q.ctx, q.who, &api.RequestsInput{
		TenantParameter: q.tenant.parameter(), PageParameters: api.PageParameters{Limit: 100, After: q.URL.Query().Get("after")},
	})
	if err != nil {
		return view{}, err
	}
	page := &requestsPage{
		IsAdmin: q.tenant.isAdmin, MayAsk: q.tenant.user != "", Ask: q.path("/requests/new", nil), Success: q.success(),
		Facts: q.facts(q.now).withoutMoney(),
	}
	if found.Next != "" {
		page.Next = q.with("after", found.Next, doneParameter)
	}
	isShown := false
	for _, one := range found.Requests {
		row := p.requestRow(q, one, found.Currency)
		if !row.IsOpen {
			page.Rest = append(page.Rest, row)
			continue
		}
		if failed != nil && one.ID == decided {
			row.Given.Value, row.Words.Value, isShown = q.field("amount"), q.field("reason"), true
			choose(row.For.Options, q.field("for"))
			if row.Complaints, err = q.complain(failed, row.fields()); err != nil {
				return view{}, err
			}
		}
		page.Open = append(page.Open, row)
	}
	if failed != nil && !isShown { // it is decided, or expired
		return view{}, failed
	}
	return view{template: "requests", title: q.l.say("Requests"), body: page, status: statusOf(failed)}, nil
}

func (p *Pages) requestRow(q *request, r api.Request, currency string) requestRow {
	zone := q.tenant.zone
	row := requestRow{
		ID: r.ID, To: q.path("/requests/"+r.ID, nil), When: q.l.moment(r.RequestedAt.In(zone)), User: r.User, By: r.RequestedBy, Limit: r.Limit,
		Amount: q.l.written(r.Amount, currency), Until: q.l.moment(r.ExpiresAt.In(zone)), UntilIn: q.l.until(q.now, r.ExpiresAt), Reason: r.Reason,
		State: q.l.say("Waiting"), Class: "warn", Form: q.form(), IsOpen: r.State == "Open" && r.ExpiresAt.After(q.now),
	}
	switch {
	case r.State == "Approved":
		row.State, row.Class = q.l.say("Approved"), "good"
	case r.State == "Declined":
		row.State, row.Class = q.l.say("Declined"), "bad"
	case !row.IsOpen:
		row.State, row.Class = q.l.say("Not decided in time"), "same"
	}
	if d := r.Decision; d != nil {
		row.Decided, row.Answer = q.l.moment(d.At.In(zone)), d.Reason
		if d.By != "" {
			row.Decided = q.l.say("%s, by %s", row.Decided, d.By)
		}
		row.tellGranted(q, r, currency)
	}
	per := "User"
	if limit, ok := q.limitNamed(r.Limit); ok {
		per, row.Scope = limit.Per, q.l.period(limit.Period)
	}
	row.MayDecide = q.tenant.isAdmin && (per != "Tenant" || q.me.PlatformAdmin)
	row.Given = q.amountField("amount", q.l.say("More in each period, %s", currency), r.Amount)
	row.Given.ID, row.Given.Hint = "amount-"+r.ID, ""
	row.For = field("for", "select", q.l.say("For how long"), "")
	row.For.ID = "for-" + r.ID
	row.For.Options = choose(q.lastingOptions(pick{Name: q.l.say("As asked for"), Value: asAsked}), asAsked)
	row.Words = p.bounded(field("reason", "text", q.l.say("What to tell who asked"), ""), "declineRequest", "reason")
	row.Words.ID = "reason-" + r.ID
	row.Words.Hint = q.l.say("Required to decline.")
	return row
}

// asAsked is the choice to grant more for as long as it was asked for.
const asAsked = "asked"

// tellGranted sets what was granted, if that differs from what was asked for.
func (r *requestRow) tellGranted(q *request, made api.Request, currency string) {
	d := made.Decision
	if d.Amount != "" && d.Amount != made.Amount {
		r.Granted = q.l.written(d.Amount, currency)
	}
	if d.ExpiresAt != nil && !d.ExpiresAt.Equal(made.ExpiresAt) {
		r.GrantedUntil = q.l.moment(d.ExpiresAt.In(q.tenant.zone))
	}
}

// limitNamed is a limit of the tenant's budget, as it is written.
func (q *request) limitNamed(name string) (api.WrittenLimit, bool) {
	if q.budget == nil {
		return api.WrittenLimit{}, false
	}
	found := slices.IndexFunc(q.budget.Written.Limits, func(l api.WrittenLimit) bool { return l.Name == name })
	if found < 0 {
		return api.WrittenLimit{}, false
	}
	return q.budget.Written.Limits[found], true
}

// requestID is the pattern of a request's id.
var requestID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// decideRequest approves a request, or declines it.
func (p *Pages) decideRequest(q *request) (v view, err error) {
	id := q.PathValue("id")
	if !requestID.MatchString(id) {
		return view{}, missingPage()
	}
	what := ""
	var warnings []string
	switch q.field("decision") {
	case "approve":
		what = "approved"
		warnings, err = p.approve(q, id)
	case "decline":
		what, err = "declined", p.decline(q, id)
	default:
		err = &api.Problem{Status: http.StatusUnprocessableEntity, Code: "invalid_parameter"}
	}
	if statusOf(err) == http.StatusUnprocessableEntity {
		return p.requestsWith(q, id, err)
	}
	return q.done("/requests", what, warnings...), err
}

// approve grants what is asked for, or what the form has instead, and returns the API server's warnings.
func (p *Pages) approve(q *request, id string) (warnings []string, err error) {
	in := &api.ApprovalInput{TenantParameter: q.tenant.parameter(), RequestParameter: api.RequestParameter{ID: id}}
	in.Body = api.Approval{Reason: q.field("reason"), Amount: q.l.amount(q.field("amount"))}
	if lasts := q.field("for"); lasts != asAsked && q.PostForm.Has("for") {
		until := q.now.AddDate(0, 0, daysOf(lasts))
		in.Body.ExpiresAt = &until
	}
	if err := p.API.CheckBody("approveRequest", in.Body); err != nil {
		return nil, err
	}
	approved, err := p.ask.approve(q.ctx, q.who, in)
	if err != nil {
		return nil, err
	}
	return approved.Warnings, nil
}

func (p *Pages) decline(q *request, id string) error {
	in := &api.DecisionInput{TenantParameter: q.tenant.parameter(), RequestParameter: api.RequestParameter{ID: id}}
	in.Body.Reason = q.field("reason")
	if err := p.API.CheckBody("declineRequest", in.Body); err != nil {
		return err
	}
	if q.tenant.isAdmin && in.Body.Reason == "" {
		return missing("body.reason", phrase("is required: whoever asked is told why it is declined"))
	}
	_, err := p.ask.decline(q.ctx, q.who, in)
	return err
}

// ownRequests are the reader's latest requests.
func (p *Pages) ownRequests(q *request, found *api.Requests) (rows []requestRow) {
	for _, one := range found.Requests {
		if one.User == q.tenant.user && len(rows) < 5 && one.RequestedAt.After(q.now.Add(-60*24*time.Hour)) {
			rows = append(rows, p.requestRow(q, one, found.Currency))
		}
	}
	return rows
}
