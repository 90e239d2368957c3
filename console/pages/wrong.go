package pages

import (
	"errors"
	"net/http"

	"github.com/bursar-dev/bursar/console/api"
)

// wrong is why a form was not taken, on the page that has the form.
type wrong struct {
	told
	Fields []wrongField
	// Patch is the change to commit where others manage what it changes; empty for none.
	Patch string

	status int
}

// wrongField is what is wrong with a field of a form, in the API's words, which are English.
type wrongField struct{ Title, Message string }

// wrongOf is what the sender of a form can do something about; nil for any other error. Titles
// are those of the fields, by the API's names of the parameters.
func (q *request) wrongOf(err error, titles map[string]string) *wrong {
	var problem *api.Problem
	if !errors.As(err, &problem) || problem.Status < http.StatusBadRequest || problem.Status >= http.StatusInternalServerError || problem.Status == http.StatusUnauthorized {
		return nil
	}
	w := &wrong{told: explain(q.l, problem), Patch: problem.Patch, status: problem.Status}
	if problem.Status == http.StatusUnprocessableEntity {
		w.Title, w.Text = q.l.say("It was not taken as it is"), q.l.say("Nothing was changed. Change what is named here, and send it again.")
	}
	for _, e := range problem.Errors {
		title, ok := titles[e.Parameter]
		if !ok {
			title = e.Parameter
		}
		w.Fields = append(w.Fields, wrongField{q.l.say(title), e.Message})
	}
	if len(w.Fields) > 0 {
		w.Details = ""
	}
	return w
}
