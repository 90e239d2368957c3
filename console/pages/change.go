package pages

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/console/api"
)

// editor is a form in which an admin changes a part of a tenant's settings.
type editor struct {
	// title is what is changed, and path where.
	title, path string
	// version is the version of the settings, and managers are their other managers.
	version  string
	managers []string
	// rows are what the form's template gets.
	rows any
	// lines say in words what is in the form, and fields are its fields by their names in the API.
	lines  func() []string
	fields func() map[string]*input
	// check checks what was entered by the API's schema. preview replays calls of some days with it,
	// nil if there is nothing to replay. save stores it, if the version is still the same.
	check   func() error
	preview func(days int) (*api.Preview, error)
	save    func(seen string) (version string, warnings []string, err error)
}

// editing opens an editor with the current settings or, if isEntered, with what was entered.
type editing func(q *request, isEntered bool) (*editor, error)

// changePage is the page on which an admin changes something.
type changePage struct {
	Title, Intro, To, Back string
	Form                   form
	Version                string
	Rows                   any
	Complaints             *complaints
	// Entered and There are what was entered, and the settings as they are meanwhile.
	Entered, There []string
	// Managers are the other managers of the settings, and Patch is what to commit there.
	Managers, Patch string
	Warnings        []string
	Previews        []previewCard
	// IsChecked is whether the contents of the form were checked, and would be stored.
	IsChecked, MaySave, MayPreview bool
}

// days are the choices of how many days a change is replayed with.
var days = []int{7, 30}

// change is a page on which an admin changes something, and the answer to its form.
func (p *Pages) change(name string, open editing) func(*request) (view, error) {
	return func(q *request) (view, error) {
		if !q.tenant.isAdmin {
			return view{}, forbiddenPage()
		}
		e, err := open(q, q.Method == http.MethodPost)
		if err != nil {
			return view{}, err
		}
		page := p.changing(q, e)
		var failed error
		if q.Method == http.MethodPost {
			var done bool
			var warnings []string
			if done, warnings, failed = p.act(q, e, page); done {
				return q.done("/budgets", "changed", warnings...), nil
			}
		}
		if isOf(failed, http.StatusPreconditionFailed) {
			return p.stale(q, name, e, open)
		}
		if failed != nil && page.Patch == "" {
			if page.Complaints, err = q.complain(failed, e.fields()); err != nil {
				return view{}, err
			}
		}
		return view{template: name, title: e.title, body: page, status: statusOf(failed)}, nil
	}
}

func (p *Pages) changing(q *request, e *editor) *changePage {
	page := &changePage{
		Title: e.title, To: q.path(e.path, nil), Back: q.path("/budgets", nil), Form: q.form(), Version: e.version, Rows: e.rows,
		Managers: strings.Join(e.managers, ", "), MaySave: len(e.managers) == 0, MayPreview: e.preview != nil,
	}
	if q.Method == http.MethodPost {
		page.Version = q.field("version")
	}
	return page
}

// act does what a form asks for: it saves what was entered, previews it, or adds a row. Saving also
// returns the API server's warnings.
func (p *Pages) act(q *request, e *editor, page *changePage) (done bool, warnings []string, err error) {
	switch q.field("do") {
	case "save":
		if err := e.check(); err != nil {
			return false, nil, err
		}
		version, warnings, err := e.save(page.Version)
		if patched(err, page) {
			return false, nil, err
		}
		if err == nil {
			p.await(q, version)
		}
		return err == nil, warnings, err
	case "preview":
		if page.Version != e.version {
			return false, nil, &api.Problem{Status: http.StatusPreconditionFailed, Code: "stale"}
		}
		if err := e.check(); err != nil || e.preview == nil {
			return false, nil, err
		}
		return false, nil, p.tryOut(q, e, page)
	}
	return false, nil, nil // the editor has added the row
}

// patched puts on the page what to commit elsewhere, if that is the error.
func patched(err error, page *changePage) bool {
	var problem *api.Problem
	if !errors.As(err, &problem) || problem.Code != "managed_elsewhere" {
		return false
	}
	var managers []string
	for _, field := range problem.Managed {
		if !slices.Contains(managers, field.Manager) {
			managers = append(managers, field.Manager)
		}
	}
	page.Patch, page.Managers, page.MaySave = problem.Patch, strings.Join(managers, ", "), false
	return true
}

// tryOut puts on the page the result of trying a change, and what the last days would have looked like
// with it.
func (p *Pages) tryOut(q *request, e *editor, page *changePage) error {
	tried := make([]*api.Preview, len(days))
	failed := make([]error, len(days))
	for i, n := range days { // one after the other, as the API would have it anyway
		tried[i], failed[i] = e.preview(n)
	}
	if failed[0] != nil {
		return failed[0]
	}
	page.Warnings = tried[0].Warnings
	for i, preview := range tried {
		card := previewCard{Title: q.l.count(int64(days[i]), "The last day", "The last %s days")}
		switch {
		case failed[i] != nil:
			var problem *api.Problem
			if errors.As(failed[i], &problem) {
				card.Missing = explain(q.l, problem).Title
			}
		case preview.Replay == nil:
			continue
		default:
			card.tell(q, preview.Replay)
		}
		page.Previews = append(page.Previews, card)
	}
	if tried[0].Problem == nil {
		page.IsChecked, page.MaySave = true, true
		return nil
	}
	patched(tried[0].Problem, page)
	return tried[0].Problem
}

// stale is the page after somebody else has changed the same settings: with their new state, and what
// was entered.
func (p *Pages) stale(q *request, name string, entered *editor, open editing) (view, error) {
	p.awaitOther(q, entered.path, q.field("version"))
	e, err := open(q, false)
	if err != nil {
		return view{}, err
	}
	page := p.changing(q, e)
	page.Version, page.Entered, page.There = e.version, entered.lines(), e.lines()
	return view{template: name, title: e.title, body: page, status: http.StatusPreconditionFailed}, nil
}

// isOf reports whether an error is a problem of a status.
func isOf(err error, status int) bool {
	var problem *api.Problem
	return errors.As(err, &problem) && problem.Status == status
}

// The console watches the cluster, and sees its own changes a moment after they are stored.
const (
	watchFor  = 2 * time.Second
	lookEvery = 20 * time.Millisecond
)

// await waits until the console sees a version of the budget or of one of its policies.
func (p *Pages) await(q *request, version string) {
	p.look(q, func(b *api.Budget) bool {
		return b.Version == version || slices.ContainsFunc(b.Rates, func(r api.WrittenRates) bool { return r.Version == version })
	})
}

// awaitOther waits until the settings of a form have another version.
func (p *Pages) awaitOther(q *request, path, version string) {
	p.look(q, func(b *api.Budget) bool {
		if policy, isRates := strings.CutPrefix(path, ratesPath); isRates {
			return !slices.ContainsFunc(b.Rates, func(r api.WrittenRates) bool { return r.Policy == policy && r.Version == version })
		}
		return b.Version != version
	})
}

// look reads the budget until it is as expected, for a limited time.
func (p *Pages) look(q *request, is func(*api.Budget) bool) {
	for started := time.Now(); time.Since(started) < watchFor; time.Sleep(lookEvery) {
		budget, err := p.ask.budget(q.ctx, q.who, &api.BudgetInput{Tenant: q.tenant.Name})
		if err != nil {
			return
		}
		q.budget = budget
		if is(budget) {
			return
		}
	}
}

// ifSeen names the version that a form was filled with.
func ifSeen(version string) api.SeenParameter {
	return api.SeenParameter{IfMatch: strconv.Quote(version)}
}

// mostOfRows bounds the rows of a form: no list may be as long.
const mostOfRows = 64

// rowsOf is the number of rows of a form that was sent, including one that it asks to add.
func (q *request) rowsOf() int {
	n, err := strconv.Atoi(q.field("rows"))
	if err != nil || n < 0 {
		return 0
	}
	if q.field("do") == "add" {
		n++
	}
	return min(n, mostOfRows)
}

// linesOf are the lines of a field that has one thing on each.
func linesOf(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

// linesField is a field that has one thing on each line.
func linesField(name, label string, lines []string) input {
	in := field(name, "area", label, strings.Join(lines, "\n"))
	in.Lines = max(2, min(8, len(lines)+1))
	return in
}

// wordsOf are choices in the reader's language.
func (q *request) wordsOf(values ...string) (options []pick) {
	for _, value := range values {
		options = append(options, pick{Name: q.l.word(value), Value: value, Of: value})
	}
	return options
}
