package pages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"golang.org/x/text/language"

	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/signin"
)

// Options are what Pages are made with.
type Options struct {
	API *api.API
	Log *slog.Logger
	// Now is the clock; nil is that of this machine.
	Now func() time.Time
	// Ending is closed when the console ends, which ends streams of events; nil for never.
	Ending <-chan struct{}
}

// Pages serve everything under / that is neither the API's nor part of signing in. As with the API,
// each request has its caller's credential.
type Pages struct {
	Options
	ask     questions
	assets  assets
	locales map[language.Tag]*locale
	sets    map[language.Tag]*template.Template
	live    *live
	mux     *http.ServeMux
}

// New makes Pages.
func New(options Options) (*Pages, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	p := &Pages{Options: options, locales: map[language.Tag]*locale{}, sets: map[language.Tag]*template.Template{}, mux: http.NewServeMux()}
	var err error
	if p.ask, err = newQuestions(options.API); err != nil {
		return nil, err
	}
	if p.assets, err = readAssets(embedded); err != nil {
		return nil, err
	}
	for _, tag := range languages {
		p.locales[tag] = newLocale(tag)
		if p.sets[tag], err = template.New("").Funcs(p.functions(p.locales[tag])).ParseFS(embedded, "templates/*.html"); err != nil {
			return nil, err
		}
	}
	p.live = newLive(p)
	p.route()
	return p, nil
}

// route routes every page.
func (p *Pages) route() {
	p.mux.Handle("GET "+assetsRoot, p.assets)
	p.page("GET /{$}", p.home)
	p.page("GET /usage", p.usage)
	p.page("GET /calls", p.calls)
	p.page("GET /calls/{id}", p.call)
	p.page("GET /costs", p.costs)
	p.page("GET /alerts", p.alerts)
	p.page("GET /alerts/{id}", p.alert)
	p.page("POST /alerts/{id}", p.markAlert)
	p.page("POST /alerts", p.testAlerts)
	p.page("GET /keys", p.keys)
	p.page("POST /keys", p.makeKey)
	p.page("GET /keys/{name}", p.key)
	p.page("POST /keys/{name}", p.changeKey)
	p.page("GET /budgets", p.budgets)
	for path, change := range map[string]func(*request) (view, error){
		"/budgets/limits": p.change("change-limits", p.editLimits), "/budgets/ladder": p.change("change-ladder", p.editLadder),
		"/budgets/alerts": p.change("change-alerts", p.editAlerts), ratesPath + "{policy}": p.change("change-rates", p.editRates),
	} {
		p.page("GET "+path, change)
		p.page("POST "+path, change)
	}
	p.page("GET /requests", p.requests)
	p.page("GET /requests/new", p.newRequest)
	p.page("POST /requests/new", p.makeRequest)
	p.page("POST /requests/{id}", p.decideRequest)
	p.page("GET /grants/new", p.newGrant)
	p.page("POST /grants/new", p.makeGrant)
	p.page("POST /grants/{name}/end", p.endGrant)
	p.page("GET /health", p.health)
	p.page("GET "+tenantsPath, p.findTenant)
	p.mux.HandleFunc("GET /costs/live", p.live.serve)
	p.page("GET /", func(*request) (view, error) {
		return view{}, missingPage()
	})
}

// ServeHTTP answers with a page. console/server says what a page may do in a browser.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.mux.ServeHTTP(w, r) }

// view is what a page shows: a template, and its data.
type view struct {
	template, title string
	body            any
	// live is the URL of the events that say that the page is out of date; empty for none.
	live string
	// to is where to redirect instead of showing a page. After a change, done says what was changed,
	// and warnings are those of the API server.
	to, done string
	warnings []string
	// status is 200 unless it is set.
	status int
}

// request is a request of a page.
type request struct {
	*http.Request
	ctx    context.Context
	who    auth.Who
	me     *api.Me
	l      *locale
	now    time.Time
	tenant choice
	// tenants are the tenants whose budgets the reader sees.
	tenants api.Tenants
	// budget is the tenant's; nil if the reader may not see it.
	budget *api.Budget
}

// page routes a page.
func (p *Pages) page(pattern string, answer func(*request) (view, error)) {
	p.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if p.switched(w, r) {
			return
		}
		q := &request{Request: r, ctx: r.Context(), l: p.locales[languageOf(r)], now: p.Now(), me: &api.Me{}}
		err := p.begin(q)
		var v view
		if err == nil {
			v, err = answer(q)
		}
		if err != nil {
			v = p.failed(q, err)
		}
		if v.to != "" {
			q.keepWarned(w, v)
			http.Redirect(w, r, v.to, http.StatusSeeOther)
			return
		}
		p.write(w, q, v)
	})
}

// begin finds the caller, unless signing in has just found them, and the tenant.
func (p *Pages) begin(q *request) error {
	if who, ok := signin.Caller(q.ctx); ok {
		q.who = who
		return p.learn(q)
	}
	return p.know(q)
}

// know finds the caller, even if they were known before, and the tenant.
func (p *Pages) know(q *request) (err error) {
	if q.who, err = p.API.Identify(q.ctx, q.Header); err != nil {
		return err
	}
	return p.learn(q)
}

// learn finds the tenant that the request is about, and what the reader may see of it.
func (p *Pages) learn(q *request) (err error) {
	if q.me, err = p.ask.me(q.ctx, q.who, &struct{}{}); err != nil {
		return err
	}
	if q.tenants, err = p.API.Tenants(q.ctx, q.who); err != nil {
		return err
	}
	q.tenant, q.budget = q.choose(q.URL.Query().Get("tenant")), nil
	if q.tenants.Has(q.tenant.Name) {
		q.budget, err = p.ask.budget(q.ctx, q.who, &api.BudgetInput{Tenant: q.tenant.Name})
	}
	return err
}

// write writes a page.
func (p *Pages) write(w http.ResponseWriter, q *request, v view) {
	var out bytes.Buffer
	content, err := p.render(q.l, v.template, v.body)
	if err == nil {
		err = p.sets[q.l.tag].ExecuteTemplate(&out, "layout", p.frame(q, v, content))
	}
	if err != nil {
		p.Log.Error("A page cannot be written", "page", v.template, "error", err)
		http.Error(w, q.l.say("The console failed to show this page. Its log says why."), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Add("Vary", "Accept-Language, Cookie")
	w.Header().Set("Content-Language", q.l.tag.String())
	if v.status != 0 {
		w.WriteHeader(v.status)
	}
	_, _ = out.WriteTo(w) // the client may have gone
}

// render is the output of a template.
func (p *Pages) render(l *locale, name string, body any) (template.HTML, error) {
	var out bytes.Buffer
	err := p.sets[l.tag].ExecuteTemplate(&out, name, body)
	return template.HTML(out.String()), err //nolint:gosec // html/template escaped it
}

// failed is the page that says what is wrong.
func (p *Pages) failed(q *request, err error) view {
	var problem *api.Problem
	if !errors.As(err, &problem) {
		p.Log.Error("A page failed", "path", q.URL.Path, "error", err)
		problem = &api.Problem{Status: http.StatusInternalServerError, Code: "internal_error"}
	}
	told := explain(q.l, problem)
	if problem.Status == http.StatusUnauthorized {
		told.Link, told.LinkTitle = signin.URLTo(q.URL.RequestURI()), q.l.say("Sign in")
	}
	return view{template: "error", title: told.Title, body: told, status: problem.Status}
}

// missingPage is the problem of a page that does not exist.
func missingPage() error { return &api.Problem{Status: http.StatusNotFound, Code: "not_found"} }

// forbiddenPage is the problem of a page that the reader may not see.
func forbiddenPage() error { return &api.Problem{Status: http.StatusForbidden, Code: "forbidden"} }

// questions are what pages ask: each is a Question of a route of the API.
type questions struct {
	me      api.Question[struct{}, api.Me]
	usage   api.Question[api.UsageInput, api.Usage]
	calls   api.Question[api.CallsInput, api.Calls]
	refused api.Question[api.CallsInput, api.Calls]
	call    api.Question[api.CallInput, api.Call]
	limits  api.Question[api.LimitsInput, api.Limits]
	budgets api.Question[api.BudgetsInput, api.Budgets]
	changes api.Question[api.ChangesInput, api.Changes]
	alerts  api.Question[api.AlertsInput, api.Alerts]
	grants  api.Question[api.GrantsInput, api.Grants]
	keys    api.Question[api.TenantParameter, api.Keys]

	alert         api.Question[api.AlertInput, api.AlertDetail]
	alertSettings api.Question[api.TenantParameter, api.AlertSettings]
	acknowledge   api.Question[api.AlertInput, api.AlertDetail]
	mute          api.Question[api.MuteInput, api.AlertDetail]
	unmute        api.Question[api.AlertInput, api.AlertDetail]
	testAlerts    api.Question[api.TenantParameter, api.TestSent]

	requests      api.Question[api.RequestsInput, api.Requests]
	makeRequest   api.Question[api.NewRequestInput, api.Request]
	approve       api.Question[api.ApprovalInput, api.ApprovedRequest]
	decline       api.Question[api.DecisionInput, api.Request]
	budget        api.Question[api.BudgetInput, api.Budget]
	changeBudget  api.Question[api.BudgetChangeInput, api.ChangedBudget]
	previewBudget api.Question[api.BudgetPreviewInput, api.Preview]
	changeRates   api.Question[api.RatesChangeInput, api.ChangedRates]
	previewRates  api.Question[api.RatesPreviewInput, api.Preview]
	makeGrant     api.Question[api.NewGrantInput, api.MadeGrant]
	endGrant      api.Question[api.GrantInput, api.Removed]

	createKey api.Question[api.NewKeyInput, api.KeyShown]
	rotateKey api.Question[api.RotateInput, api.KeyShown]
	deleteKey api.Question[api.KeyInput, api.Removed]
	health    api.Question[struct{}, api.Health]
}

func newQuestions(a *api.API) (q questions, err error) {
	errs := []error{
		resolve(a, "me", &q.me), resolve(a, "usage", &q.usage), resolve(a, "calls", &q.calls), resolve(a, "refusals", &q.refused),
		resolve(a, "call", &q.call), resolve(a, "limits", &q.limits), resolve(a, "budgets", &q.budgets), resolve(a, "budgetChanges", &q.changes),
		resolve(a, "alerts", &q.alerts), resolve(a, "grants", &q.grants), resolve(a, "keys", &q.keys),
		resolve(a, "alert", &q.alert), resolve(a, "alertSettings", &q.alertSettings), resolve(a, "acknowledgeAlert", &q.acknowledge),
		resolve(a, "muteAlert", &q.mute), resolve(a, "unmuteAlert", &q.unmute), resolve(a, "testAlerts", &q.testAlerts),
		resolve(a, "requests", &q.requests), resolve(a, "makeRequest", &q.makeRequest), resolve(a, "approveRequest", &q.approve), resolve(a, "declineRequest", &q.decline),
		resolve(a, "budget", &q.budget), resolve(a, "changeBudget", &q.changeBudget), resolve(a, "previewBudget", &q.previewBudget),
		resolve(a, "changeRates", &q.changeRates), resolve(a, "previewRates", &q.previewRates),
		resolve(a, "makeGrant", &q.makeGrant), resolve(a, "deleteGrant", &q.endGrant),
		resolve(a, "createKey", &q.createKey), resolve(a, "rotateKey", &q.rotateKey), resolve(a, "deleteKey", &q.deleteKey), resolve(a, "health", &q.health),
	}
	return q, errors.Join(errs...)
}

func resolve[I, O any](a *api.API, operation string, into *api.Question[I, O]) (err error) {
	if *into, err = api.QuestionOf[I, O](a, operation); err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	return nil
}
