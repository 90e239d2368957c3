package pages

import (
	"time"

	"github.com/bursar-dev/bursar/console/api"
)

// unusedFor is after how long a key that nobody uses stands out.
const unusedFor = 90 * 24 * time.Hour

// keyRow is an API key, without the key.
type keyRow struct {
	Name, User, Tier, Created, Expires, ExpiresIn, LastUsed string
	State, Class                                            string
	Message                                                 string
}

// keysPage are the API keys of a tenant.
type keysPage struct {
	Rows     []keyRow
	Kinds    []link
	IsUnused bool
	HasUsers bool
	Facts    facts
}

// keys is the page of API keys.
func (p *Pages) keys(q *request) (view, error) {
	page := &keysPage{IsUnused: q.URL.Query().Get("kind") == "unused", HasUsers: q.tenant.isAdmin}
	found, err := p.ask.keys(q.ctx, q.who, &api.TenantParameter{Tenant: q.tenant.Name})
	if err != nil {
		return view{}, err
	}
	unused := 0
	for _, key := range found.Keys {
		isUnused := q.isUnused(key)
		if isUnused {
			unused++
		}
		if isUnused || !page.IsUnused {
			page.Rows = append(page.Rows, q.keyRow(key, isUnused))
		}
	}
	page.Kinds = []link{
		{Title: q.l.say("All (%s)", len(found.Keys)), To: q.with("kind", ""), Current: !page.IsUnused},
		{Title: q.l.say("Unused for 90 days (%s)", unused), To: q.with("kind", "unused"), Current: page.IsUnused},
	}
	page.Facts = facts{Tenant: found.Tenant, AsOf: q.l.moment(q.now.In(q.tenant.zone)), Zone: q.tenant.zone.String(), NoMoney: true}
	return view{template: "keys", title: q.l.say("Keys"), body: page}, nil
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
		Name: key.Name, User: key.User, Tier: key.Tier, Created: q.l.day(key.CreatedAt.In(zone)), State: q.l.say("Works"), Class: "good",
	}
	if key.LastUsed != nil {
		row.LastUsed = q.l.moment(key.LastUsed.In(zone))
	}
	if key.ExpiresAt != nil {
		row.Expires, row.ExpiresIn = q.l.moment(key.ExpiresAt.In(zone)), q.l.until(q.now, *key.ExpiresAt)
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
