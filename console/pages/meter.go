package pages

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/console/api"
)

// Meter is how a limit stands.
type Meter struct {
	Name, Scope string
	// Whose says whose calls count apart from the reader's own; empty if nobody else's
	// do.
	Whose string
	// Known is whether it is known how much is used.
	Known bool
	// Percent is how much is used, and Width the same, cut off at the width of the
	// meter.
	Percent, Width int64
	// Exhausted is whether nothing is left, as far as that is known.
	Exhausted bool
	// Class is good, warn or bad.
	Class               string
	Amount, Spent, Left *api.Money
	// Resets is when it resets, and ResetsIn in how long.
	Resets, ResetsIn string
	ResetsAt         time.Time
	// Notes say what else there is to know.
	Notes []string
	// Forecast is what will be spent when it resets; nil for no forecast.
	Forecast *api.Money
	Exceeds  bool
	// Ask is the page to ask for more; empty if the limit is not nearly used up.
	Ask string
}

// meter is how a limit of money stands.
func (q *request) meter(limit api.Limit) Meter {
	at := limit.ResetsAt.In(q.tenant.zone)
	m := Meter{
		Name: limit.Name, Scope: q.l.period(limit.Period), Whose: q.whose(limit), Known: limit.Percent != nil, Class: "good",
		Amount: limit.Amount, Spent: limit.Spent, Left: limit.Left,
		ResetsAt: at, Resets: q.l.moment(at), ResetsIn: q.l.until(q.now, at), Notes: q.selection(limit.Selection),
	}
	if limit.Percent != nil {
		m.Percent, m.Width = *limit.Percent, max(0, min(100, *limit.Percent))
	}
	m.Exhausted = limit.Exhausted != nil && *limit.Exhausted || limit.Rung == "Trip"
	switch {
	case m.Exhausted, m.Percent >= 100:
		m.Class = "bad"
	case limit.Rung != "", m.Percent >= 80:
		m.Class = "warn"
	}
	if limit.Exhausts != nil {
		m.Notes = append(m.Notes, q.l.say("At the present pace it is used up %s.", q.l.until(q.now, *limit.Exhausts)))
	}
	return m
}

// whose says whose calls count against a limit apart from the reader's own.
func (q *request) whose(limit api.Limit) string {
	switch {
	case limit.Tenant != q.tenant.Name:
		return q.l.say("tenant %s", limit.Tenant)
	case limit.Per == "Tenant":
		return q.l.say("whole tenant")
	case limit.Group != "":
		return q.l.say("group %s", limit.Group)
	case limit.APIKey != "":
		return q.l.say("API key %s", limit.APIKey)
	}
	return ""
}

// selection says which calls count, if not all do.
func (q *request) selection(s api.Selection) (notes []string) {
	for _, one := range []struct {
		text   string
		values []string
	}{
		{phrase("Models: %s"), s.Models}, {phrase("Tiers: %s"), s.Tiers}, {phrase("Groups: %s"), s.Groups},
	} {
		if len(one.values) > 0 {
			notes = append(notes, q.l.say(one.text, strings.Join(one.values, ", ")))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Labels)) {
		notes = append(notes, q.l.say("Label: %s", name+"="+s.Labels[name]))
	}
	return notes
}

// Rate is how a rate limit stands.
type Rate struct {
	Name, Allows string
	// Left is how many requests are left; nil if that is not known.
	Left  *int64
	Width int64
	Class string
	Notes []string
}

func (q *request) rate(limit api.RateLimit) Rate {
	r := Rate{Name: limit.Name, Left: limit.Left, Class: "good", Notes: q.selection(limit.Selection)}
	switch limit.Unit {
	case "requests":
		r.Allows = q.l.count(limit.Amount, "%s request", "%s requests")
	case "tokens":
		r.Allows = q.l.count(limit.Amount, "%s token", "%s tokens")
	default:
		r.Allows = q.l.count(limit.Amount, "%s call at once", "%s calls at once")
	}
	switch limit.Window {
	case "":
	case "1m":
		r.Allows += " " + q.l.say("per minute")
	case "1h":
		r.Allows += " " + q.l.say("per hour")
	default:
		r.Allows += " " + q.l.say("per %s", limit.Window)
	}
	if limit.Tenant == q.tenant.Name {
		r.Allows += ", " + q.l.word(limit.Per)
	} else {
		r.Allows += ", " + q.l.say("tenant %s", limit.Tenant)
	}
	if strings.Contains(limit.Policy, "/") {
		r.Notes = append(r.Notes, q.l.say("Set by policy %s", limit.Policy))
	}
	if limit.Left != nil {
		full := max(1, limit.Amount, limit.Burst)
		r.Width = 100 * *limit.Left / full
		if *limit.Left == 0 {
			r.Class = "bad"
		}
	}
	return r
}
