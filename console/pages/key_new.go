package pages

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"github.com/bursar-dev/bursar/console/api"
)

// makeParameter opens the form in which a key is made.
const makeParameter = "make"

// newKeyForm is where a key is made.
type newKeyForm struct {
	Form      form
	To        string
	ForOthers bool
	Values    keyValues
	Expiries  []option
	Wrong     *wrong
}

// keyValues are the fields of the form, as they were sent.
type keyValues struct{ Name, User, Tier, Groups, Labels, Models string }

// keyShownPage shows a key, this once.
type keyShownPage struct {
	Name, Secret, User string
	Previous, Expires  string
	Warnings           []string
	Back               string
	IsNew              bool
}

// keyExpiries are after how many days a key may expire; 0 is never.
var keyExpiries = []struct {
	days  int
	title string
}{{7, phrase("in 7 days")}, {30, phrase("in 30 days")}, {90, phrase("in 90 days")}, {365, phrase("in a year")}, {0, phrase("never")}}

// keyFields are the titles of the fields, by what the API calls them.
var keyFields = map[string]string{
	"body.name": phrase("Name"), "body.user": phrase("User"), "body.tier": phrase("Tier"), "body.groups": phrase("Groups"), "body.labels": phrase("Labels"),
	"body.models": phrase("Models"), "body.expiresAt": phrase("Expires"),
}

// newKeyForm is the form, as it was sent or empty.
func (q *request) newKeyForm(rules *api.KeyRules) *newKeyForm {
	f := &newKeyForm{
		Form: q.form(), To: q.path("/keys", nil), ForOthers: rules.ForOthers,
		Values: keyValues{Name: q.field("name"), User: q.field("user"), Tier: q.field("tier"), Groups: q.field("groups"), Labels: q.field("labels"), Models: q.field("models")},
	}
	if f.ForOthers && q.Method != http.MethodPost {
		f.Values.User = q.tenant.user
	}
	chosen, most := q.field("expires"), 0
	if rules.MaxDays != nil {
		most = int(*rules.MaxDays)
	}
	for _, one := range keyExpiries {
		if most == 0 || one.days > 0 && one.days < most {
			f.Expiries = append(f.Expiries, option{q.l.say(one.title), strconv.Itoa(one.days), chosen == strconv.Itoa(one.days)})
		}
	}
	if most > 0 {
		f.Expiries = append(f.Expiries, option{q.l.say("in %s days, the latest", most), "", chosen == ""})
	} else if chosen == "" {
		f.Expiries[2].Selected = true
	}
	return f
}

// makeKey makes a key and shows it. A page that is loaded again shows none: the browser asks
// whether to send the form again.
func (p *Pages) makeKey(q *request) (view, error) {
	asked, err := q.newKey()
	var shown *api.KeyShown
	if err == nil {
		shown, err = p.ask.createKey(q.ctx, q.who, &api.NewKeyInput{TenantParameter: api.TenantParameter{Tenant: q.tenant.Name}, Body: asked})
	}
	if err == nil {
		return q.keyShown(shown), nil
	}
	w := q.wrongOf(err, keyFields)
	if w == nil {
		return view{}, err
	}
	page, found, failed := p.keysOf(q)
	if failed != nil || found.Making == nil {
		return view{}, err
	}
	page.Make, page.New = q.newKeyForm(found.Making), ""
	page.Make.Wrong = w
	return view{template: "keys", title: q.l.say("Keys"), body: page, status: w.status}, nil
}

// keyName is what names of APIKeys look like, and labelOfKey a label of one.
var (
	keyName    = regexp.MustCompile(`^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$`)
	labelOfKey = regexp.MustCompile(`^([^=\s]+)\s*=\s*(\S+)$`)
)

// newKey is the key that the form asks for.
func (q *request) newKey() (asked api.NewKey, err error) {
	asked = api.NewKey{Name: q.word("name"), User: q.word("user"), Tier: q.word("tier"), Groups: list(q.field("groups")), Models: list(q.field("models"))}
	if !keyName.MatchString(asked.Name) {
		return asked, wrongParameter("body.name", "must be at most 63 lower-case letters, digits and -, and begin and end with a letter or digit")
	}
	for _, text := range list(q.field("labels")) {
		parts := labelOfKey.FindStringSubmatch(text)
		if parts == nil {
			return asked, wrongParameter("body.labels", "must be such as team=search, with commas between them")
		}
		if asked.Labels == nil {
			asked.Labels = map[string]string{}
		}
		asked.Labels[parts[1]] = parts[2]
	}
	if days, _ := strconv.Atoi(q.field("expires")); days > 0 && days <= 3650 {
		expires := q.now.AddDate(0, 0, days)
		asked.ExpiresAt = &expires
	}
	return asked, nil
}

func wrongParameter(parameter, message string) *api.Problem {
	return &api.Problem{Status: http.StatusUnprocessableEntity, Code: "invalid_parameter", Errors: []api.ParameterError{{Parameter: parameter, Message: message}}}
}

// word is a field of a form without what stands around it.
func (q *request) word(name string) string { return strings.TrimSpace(q.field(name)) }

// list are the members of a text with commas between them; nil of an empty one.
func list(text string) (all []string) {
	for one := range strings.SplitSeq(text, ",") {
		if one = strings.TrimSpace(one); one != "" {
			all = append(all, one)
		}
	}
	return all
}

// keyShown is the page that shows a key.
func (q *request) keyShown(shown *api.KeyShown) view {
	page := &keyShownPage{
		Name: shown.APIKey.Name, Secret: shown.Secret, User: shown.APIKey.User, Warnings: shown.Warnings, Back: q.path("/keys", nil), IsNew: shown.Previous == nil,
	}
	if shown.Previous != nil {
		page.Previous = q.l.moment(shown.Previous.In(q.tenant.zone))
	}
	if shown.APIKey.ExpiresAt != nil {
		page.Expires = q.l.moment(shown.APIKey.ExpiresAt.In(q.tenant.zone))
	}
	return view{template: "key-shown", title: q.l.say("New key"), body: page}
}
