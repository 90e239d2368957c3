package pages

import (
	"time"

	"github.com/bursar-dev/bursar/console/api"
)

// previewCard is what some days would have looked like with a change.
type previewCard struct {
	Title string
	// Missing is why there is nothing to show.
	Missing string
	// Made are the calls that were made then, and Refused those of them that would be refused.
	Made, Refused, WereRefused, Fitting api.Tally
	Share                               string
	Limits                              []previewLimit
	Users                               []api.ReplayedUser
	Others                              int64
	Below                               *api.Tally
	NotLookedAt                         []heardText
}

// previewLimit is what a limit would have done.
type previewLimit struct {
	Name               string
	Refused            api.Tally
	Tripped, Exhausted string
}

// heardText is a text of the API, and its language if that is not the reader's.
type heardText struct{ Text, Language string }

// mostUsers is how many users a preview names.
const mostUsers = 5

// What a preview does not look at.
var _ = phrase("the limits of the tenants above")

func (c *previewCard) tell(q *request, r *api.Replay) {
	c.Made, c.Refused, c.WereRefused, c.Fitting = r.Admitted, r.Refused, r.WereRefused, r.Fitting
	if r.Admitted.Calls > 0 {
		c.Share = q.l.percent(float64(r.Refused.Calls) / float64(r.Admitted.Calls))
	}
	moment := func(at *time.Time) string {
		if at == nil {
			return ""
		}
		return q.l.moment(at.In(q.tenant.zone))
	}
	for _, limit := range r.Limits {
		if limit.Refused.Calls == 0 && limit.TrippedAt == nil && limit.ExhaustedAt == nil {
			continue
		}
		one := previewLimit{Name: limit.Limit, Refused: limit.Refused, Tripped: moment(limit.TrippedAt), Exhausted: moment(limit.ExhaustedAt)}
		if limit.Tenant != q.tenant.Name {
			one.Name = q.l.say("%s of the tenant %s", one.Name, limit.Tenant)
		}
		c.Limits = append(c.Limits, one)
	}
	c.Users = r.Users[:min(len(r.Users), mostUsers)]
	c.Others = int64(len(r.Users) - len(c.Users))
	if r.Below != nil {
		c.Below = &r.Below.Refused
	}
	for _, text := range r.NotLookedAt {
		said, language := q.heard(text)
		c.NotLookedAt = append(c.NotLookedAt, heardText{said, language})
	}
}
