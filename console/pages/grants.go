package pages

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/bursar-dev/bursar/console/api"
)

// tellGrants adds to the page what was granted, and how many requests wait.
func (p *Pages) tellGrants(q *request, page *budgetPage) error {
	tenant, all := q.tenant.parameter(), q.URL.Query().Get("grants") == "all"
	grants, err := p.ask.grants(q.ctx, q.who, &api.GrantsInput{TenantParameter: tenant, All: all})
	if err != nil {
		return err
	}
	shown, more := listed(grants.Grants)
	page.MoreGrants = more
	for _, g := range shown {
		page.Grants = append(page.Grants, q.grantRow(g))
	}
	page.Kinds = []link{
		{Title: q.l.say("In force"), To: q.with("grants", "", doneParameter) + "#grants", Current: !all},
		{Title: q.l.say("All"), To: q.with("grants", "all", doneParameter) + "#grants", Current: all},
	}
	asked, err := p.ask.requests(q.ctx, q.who, &api.RequestsInput{TenantParameter: tenant, PageParameters: api.PageParameters{Limit: 100}, Open: true})
	if err != nil {
		return err
	}
	for _, one := range asked.Requests {
		if one.ExpiresAt.After(q.now) {
			page.Requests++
		}
	}
	return nil
}

func (q *request) grantRow(g api.Grant) grantRow {
	row := grantRow{
		Name: g.Name, Limit: g.Limit, Whose: q.owner(g.User, g.Group, g.APIKey), Reason: g.Reason, By: strings.Join(g.CreatedBy, ", "), Amount: g.Amount,
		Until: q.l.moment(g.ExpiresAt.In(q.tenant.zone)), UntilIn: q.l.until(q.now, g.ExpiresAt), State: q.l.say("In force"), Class: "good",
	}
	switch {
	case g.WithdrawnAt != nil:
		row.State, row.Class, row.UntilIn = q.l.say("Taken back"), "same", ""
		row.Until = q.l.moment(g.WithdrawnAt.In(q.tenant.zone))
		return row
	case !g.ExpiresAt.After(q.now):
		row.State, row.Class, row.UntilIn = q.l.say("Ended"), "same", ""
		return row
	case g.StartsAt.After(q.now):
		row.State, row.Class = q.l.say("Begins %s", q.l.until(q.now, g.StartsAt)), "same"
	}
	if grantName.MatchString(g.Name) && q.mayGrant(g.Limit) {
		row.End = q.path("/grants/"+g.Name+"/end", nil)
	}
	return row
}

// grantName is the pattern of a grant's name.
var grantName = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$`)

// mayGrant reports whether the reader may grant more of a limit. For a limit of the whole tenant,
// only admins of the platform may.
func (q *request) mayGrant(limit string) bool {
	found, ok := q.limitNamed(limit)
	return q.tenant.isAdmin && (q.me.PlatformAdmin || ok && found.Per != "Tenant")
}

// grantPage is the page on which an admin gives more of a limit.
type grantPage struct {
	To, Back   string
	Form       form
	Complaints *complaints
	NoLimit    bool

	Limit, User, Group, Key, Amount, For, Reason input
}

// fields are those of the form, by their names in the API.
func (g *grantPage) fields() map[string]*input {
	return map[string]*input{
		"body.limit": &g.Limit, "body.user": &g.User, "body.group": &g.Group, "body.apiKey": &g.Key,
		"body.amount": &g.Amount, "body.expiresAt": &g.For, "body.reason": &g.Reason,
	}
}

// entered is the value of a field of a form that was sent, or else of the URL.
func (q *request) entered(name string) string {
	if q.Method == http.MethodPost {
		return q.field(name)
	}
	return q.URL.Query().Get(name)
}

// newGrant is the page on which an admin gives more of a limit.
func (p *Pages) newGrant(q *request) (view, error) {
	if !q.tenant.isAdmin {
		return view{}, forbiddenPage()
	}
	return p.gives(q, nil)
}

// gives is that page, with the errors of what was sent.
func (p *Pages) gives(q *request, failed error) (v view, err error) {
	budget := q.budget
	if budget == nil {
		return view{}, missingPage()
	}
	bounded := func(name, kind, label, member string) input {
		return p.bounded(field(name, kind, label, q.entered(name)), "makeGrant", member)
	}
	page := &grantPage{
		To: q.path("/grants/new", nil), Back: q.path("/budgets", nil), Form: q.form(),
		Limit: bounded("limit", "select", q.l.say("Limit"), "limit"), User: bounded("user", "text", q.l.say("User"), "user"),
		Group: bounded("group", "text", q.l.say("Group"), "group"), Key: bounded("key", "text", q.l.say("API key"), "apiKey"),
		Amount: q.amountField("amount", q.l.say("More in each period, %s", budget.Currency), q.entered("amount")),
		For:    field("for", "select", q.l.say("For how long"), ""), Reason: bounded("reason", "text", q.l.say("Why"), "reason"),
	}
	if q.Method == http.MethodPost {
		page.Amount.Value = q.field("amount")
	}
	page.User.Class, page.Group.Class, page.Key.Class = "of User", "of Group", "of Key"
	page.User.Hint, page.Group.Hint, page.Key.Hint = q.l.say("Empty: every user."), q.l.say("Empty: every group."), q.l.say("Empty: every API key.")
	page.Reason.Hint = q.l.say("One line, for the record.")
	for _, limit := range budget.Written.Limits {
		if q.mayGrant(limit.Name) {
			page.Limit.Options = append(page.Limit.Options, pick{
				Name: limit.Name + ", " + q.l.period(limit.Period) + ", " + q.l.word(limit.Per), Value: limit.Name, Of: limit.Per,
			})
		}
	}
	page.NoLimit = len(page.Limit.Options) == 0
	choose(page.Limit.Options, q.entered("limit"))
	lasts := q.entered("for")
	if lasts == "" {
		lasts = "7"
	}
	page.For.Options = choose(q.lastingOptions(), lasts)
	if failed != nil {
		page.Complaints, err = q.complain(failed, page.fields())
	}
	return view{template: "grant", title: q.l.say("Grant more"), body: page, status: statusOf(failed)}, err
}

// makeGrant gives more of a limit.
func (p *Pages) makeGrant(q *request) (view, error) {
	body := api.NewGrant{Limit: q.field("limit"), Amount: q.l.amount(q.field("amount")), Reason: q.field("reason"), ExpiresAt: q.now.AddDate(0, 0, daysOf(q.field("for")))}
	if limit, ok := q.limitNamed(body.Limit); ok {
		switch limit.Per { // fields that are hidden for the other limits do not count
		case "User":
			body.User = q.field("user")
		case "Group":
			body.Group = q.field("group")
		case "Key":
			body.APIKey = q.field("key")
		}
	}
	made := &api.MadeGrant{}
	err := p.API.CheckBody("makeGrant", body)
	if err == nil {
		made, err = p.ask.makeGrant(q.ctx, q.who, &api.NewGrantInput{TenantParameter: q.tenant.parameter(), Body: body})
	}
	switch {
	case err != nil && !q.tenant.isAdmin:
		return view{}, forbiddenPage()
	case err != nil:
		return p.gives(q, err)
	}
	return q.done("/budgets", "granted", made.Warnings...), nil
}

// endGrant takes a grant back.
func (p *Pages) endGrant(q *request) (view, error) {
	in := api.GrantInput{TenantParameter: q.tenant.parameter(), Name: q.PathValue("name")}
	if !grantName.MatchString(in.Name) {
		return view{}, missingPage()
	}
	removed, err := p.ask.endGrant(q.ctx, q.who, &in)
	if err != nil {
		return view{}, err
	}
	return q.done("/budgets", "ended", removed.Warnings...), nil
}
