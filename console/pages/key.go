package pages

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/console/api"
)

// keyPage is one API key, and what may be done with it.
type keyPage struct {
	Row       keyRow
	MayChange bool
	Overlaps  []option
	Form      form
	Back      string
	Facts     facts
}

// overlaps are the choices of how many hours a replaced key goes on working.
var overlaps = []struct {
	hours int
	title string
}{{0, phrase("not at all")}, {1, phrase("for 1 hour")}, {24, phrase("for 24 hours")}, {168, phrase("for 7 days")}}

// pathOfKey is the pattern of an APIKey's name in a path.
var pathOfKey = regexp.MustCompile(`^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$`)

// keyPath is the page of a key.
func (q *request) keyPath(key api.Key) string {
	return q.path("/keys/"+url.PathEscape(nameOfKey(key)), nil)
}

// nameOfKey is the name of an APIKey without its namespace.
func nameOfKey(key api.Key) string { return key.Name[strings.LastIndexByte(key.Name, '/')+1:] }

// keyInput names the APIKey of a URL.
func (q *request) keyInput() (api.KeyInput, error) {
	name := q.PathValue("name")
	if !pathOfKey.MatchString(name) {
		return api.KeyInput{}, missingPage()
	}
	return api.KeyInput{TenantParameter: q.tenant.parameter(), Name: name}, nil
}

// key is the page of a key.
func (p *Pages) key(q *request) (view, error) {
	in, err := q.keyInput()
	if err != nil {
		return view{}, err
	}
	found, err := p.ask.keys(q.ctx, q.who, &in.TenantParameter)
	if err != nil {
		return view{}, err
	}
	at := slices.IndexFunc(found.Keys, func(key api.Key) bool { return nameOfKey(key) == in.Name })
	if at < 0 {
		return view{}, missingPage()
	}
	key := found.Keys[at]
	page := &keyPage{
		Row: q.keyRow(key, q.isUnused(key)), MayChange: key.MayChange, Form: q.form(), Back: q.path("/keys", nil),
		Facts: q.facts(q.now).withoutMoney(),
	}
	for _, one := range overlaps {
		page.Overlaps = append(page.Overlaps, option{q.l.say(one.title), strconv.Itoa(one.hours), one.hours == 24})
	}
	return view{template: "key", title: q.l.say("Key"), body: page}, nil
}

// changeKey replaces a key, or deletes it.
func (p *Pages) changeKey(q *request) (view, error) {
	in, err := q.keyInput()
	if err != nil {
		return view{}, err
	}
	switch q.field("do") {
	case "rotate":
		return p.rotateKey(q, in)
	case "delete":
		return p.deleteKey(q, in)
	}
	return view{}, missing("do", "must be rotate or delete")
}

func (p *Pages) rotateKey(q *request, in api.KeyInput) (view, error) {
	rotate := api.RotateInput{KeyInput: in}
	for _, one := range overlaps {
		if strconv.Itoa(one.hours) == q.field("overlap") {
			rotate.Body.OverlapHours = &one.hours
		}
	}
	if rotate.Body.OverlapHours == nil {
		return view{}, missing("overlap", "must be one of those that there are to choose")
	}
	shown, err := p.ask.rotateKey(q.ctx, q.who, &rotate)
	if err != nil {
		return view{}, err
	}
	return q.keyShown(shown), nil
}

// goneWithin is how long to wait until the console knows that a key is gone.
const goneWithin = 2 * time.Second

// deleteKey deletes a key, and waits until the page of keys no longer shows it.
func (p *Pages) deleteKey(q *request, in api.KeyInput) (view, error) {
	removed, err := p.ask.deleteKey(q.ctx, q.who, &in)
	if err != nil {
		return view{}, err
	}
	for began := time.Now(); time.Since(began) < goneWithin; time.Sleep(50 * time.Millisecond) {
		found, err := p.ask.keys(q.ctx, q.who, &in.TenantParameter)
		if err != nil || !slices.ContainsFunc(found.Keys, func(key api.Key) bool { return nameOfKey(key) == in.Name }) {
			break
		}
	}
	return q.done("/keys", "deleted", removed.Warnings...), nil
}
