package pages

import (
	"net/url"
	"time"

	"github.com/bursar-dev/bursar/console/api"
)

// unusedFor is how long a key must be unused to be marked.
const unusedFor = 90 * 24 * time.Hour

// keyRow is an API key, without the key.
type keyRow struct {
	Name, User, Tier, Created, Expires, ExpiresIn, LastUsed string
	State, Class                                            string
	Message                                                 string
	// To is the page of the key, and Previous until when the key before it works.
	To, Previous string
}

// keysPage are the API keys of a tenant.
type keysPage struct {
	Rows     []keyRow
	Kinds    []link
	Kind     string
	HasUsers bool
	Facts    facts
	Success  success
	// Make is the form that makes a key; nil if it is not open. New opens it; empty if the
	// reader may make none.
	Make *newKeyForm
	New  string
	// Next is where more keys are; empty for none.
	Next string
}

// mostKeys is how many keys a page shows.
const mostKeys = 100

// keys is the page of API keys.
func (p *Pages) keys(q *request) (view, error) {
	page, found, err := p.keysOf(q)
	if err != nil {
		return view{}, err
	}
	if found.Making != nil && q.URL.Query().Has(makeParameter) {
		page.Make, page.New = p.newKeyForm(q, found.Making), ""
	}
	return view{template: "keys", title: q.l.say("Keys"), body: page}, nil
}

// keysOf are the keys that the reader sees.
func (p *Pages) keysOf(q *request) (*keysPage, *api.Keys, error) {
	page := &keysPage{Kind: q.URL.Query().Get("kind"), HasUsers: q.tenant.isAdmin, Success: q.success()}
	found, err := p.ask.keys(q.ctx, q.who, new(q.tenant.parameter()))
	if err != nil {
		return nil, nil, err
	}
	of, after := map[string]int{}, q.URL.Query().Get("after")
	for _, key := range found.Keys { // by name
		kinds := map[string]bool{"": true, "mine": key.User == q.tenant.user, "unused": q.isUnused(key)}
		for kind, is := range kinds {
			if is {
				of[kind]++
			}
		}
		if is, known := kinds[page.Kind]; known && !is || key.Name <= after {
			continue
		}
		if len(page.Rows) < mostKeys {
			page.Rows = append(page.Rows, q.keyRow(key, kinds["unused"]))
		} else if page.Next == "" {
			page.Next = q.with("after", page.Rows[mostKeys-1].Name, makeParameter, doneParameter)
		}
	}
	for _, kind := range []struct {
		name, title string
		shown       bool
	}{
		{"", phrase("All (%s)"), true}, {"mine", phrase("Mine (%s)"), q.tenant.user != ""}, {"unused", phrase("Unused for 90 days (%s)"), true},
	} {
		if kind.shown {
			page.Kinds = append(page.Kinds, link{Title: q.l.say(kind.title, of[kind.name]), To: q.with("kind", kind.name, makeParameter, doneParameter), Current: page.Kind == kind.name})
		}
	}
	if found.Making != nil {
		page.New = q.path("/keys", url.Values{makeParameter: {"1"}})
	}
	page.Facts = q.facts(q.now).withoutMoney()
	return page, found, nil
}

func (q *request) isUnused(key api.Key) bool {
	last := key.CreatedAt
	if key.LastUsed != nil && key.LastUsed.After(last) {
		last = *key.LastUsed
	}
	return q.now.Sub(last) > unusedFor
}

func (q *request) keyRow(key api.Key, isUnused bool) keyRow {
	zone := q.tenant.zone
	row := keyRow{
		Name: key.Name, User: key.User, Tier: key.Tier, Created: q.l.day(key.CreatedAt.In(zone)), State: q.l.say("Works"), Class: "good", To: q.keyPath(key),
	}
	if key.LastUsed != nil {
		row.LastUsed = q.l.moment(key.LastUsed.In(zone))
	}
	if key.ExpiresAt != nil {
		row.Expires, row.ExpiresIn = q.l.moment(key.ExpiresAt.In(zone)), q.l.until(q.now, *key.ExpiresAt)
	}
	if key.Previous != nil {
		row.Previous = q.l.moment(key.Previous.In(zone))
	}
	switch {
	case key.Expired:
		row.State, row.Class, row.ExpiresIn = q.l.say("Expired"), "same", ""
	case key.Ready.Status == "False":
		row.State, row.Class, row.Message = q.l.say("Does not work"), "bad", key.Ready.Message
	case key.Ready.Status != "True":
		row.State, row.Class = q.l.say("Not in force yet"), "warn"
	case isUnused:
		row.State, row.Class = q.l.say("Unused"), "warn"
	}
	return row
}
