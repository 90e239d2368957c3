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

// newKeyForm is the form that makes a key.
type newKeyForm struct {
	To         string
	Form       form
	Complaints *complaints
	ForOthers  bool

	Name, User, Tier, Groups, Labels, Models, Expires input
}

// fields are those of the form, by their names in the API.
func (f *newKeyForm) fields() map[string]*input {
	return map[string]*input{
		"body.name": &f.Name, "body.user": &f.User, "body.tier": &f.Tier, "body.groups": &f.Groups, "body.labels": &f.Labels, "body.models": &f.Models, "body.expiresAt": &f.Expires,
	}
}

// keyShownPage shows a key, only once.
type keyShownPage struct {
	Name, Secret, User string
	Previous, Expires  string
	Warnings           []string
	Back               string
	IsNew              bool
}

// keyExpiries are the choices of after how many days a key expires; 0 is never.
var keyExpiries = []struct {
	days  int
	title string
}{{7, phrase("in 7 days")}, {30, phrase("in 30 days")}, {90, phrase("in 90 days")}, {365, phrase("in a year")}, {0, phrase("never")}}

// newKeyForm is the form, as it was sent or empty.
func (p *Pages) newKeyForm(q *request, rules *api.KeyRules) *newKeyForm {
	f := &newKeyForm{To: q.path("/keys", nil), Form: q.form(), ForOthers: rules.ForOthers}
	text := func(name, label, hint string) input {
		in := field(name, "text", q.l.say(label), q.field(name))
		in.Hint = q.l.say(hint)
		return in
	}
	f.Name = p.bounded(text("name", phrase("Name"), phrase("What it is for, such as nightly-report: lower-case letters, digits and -. Empty: it is named after its user.")), "createKey", "name")
	f.User = p.bounded(text("user", phrase("User"), phrase("Whose calls they are, in limits and figures.")), "createKey", "user")
	f.Tier = p.bounded(text("tier", phrase("Tier"), phrase("What limits and rate limits select by, such as empleado. For yourself, your own is used.")), "createKey", "tier")
	f.Groups = text("groups", phrase("Groups"), phrase("Separated by commas."))
	f.Labels = text("labels", phrase("Labels"), phrase("Such as team=search, separated by commas."))
	f.Models = text("models", phrase("Models"), phrase("Models that the key may be used for, such as gpt-4o*, separated by commas. Empty: all."))
	f.Expires = field("expires", "select", q.l.say("Expires"), "")
	f.Expires.Options = q.keyExpiries(rules)
	if f.ForOthers && q.Method != http.MethodPost {
		f.User.Value = q.tenant.user
	}
	return f
}

// keyExpiries are the choices of when a key expires.
func (q *request) keyExpiries(rules *api.KeyRules) (options []pick) {
	chosen, most := q.field("expires"), 0
	if rules.MaxDays != nil {
		most = int(*rules.MaxDays)
	}
	for _, one := range keyExpiries {
		if most == 0 || one.days > 0 && one.days < most {
			options = append(options, pick{Name: q.l.say(one.title), Value: strconv.Itoa(one.days)})
		}
	}
	if most > 0 {
		return choose(append(options, pick{Name: q.l.say("in %s days at the latest", most)}), chosen)
	}
	if chosen == "" {
		chosen = "90"
	}
	return choose(options, chosen)
}

// makeKey makes a key and shows it. Reloading the page does not show it again, because the
// browser asks whether to send the form again.
func (p *Pages) makeKey(q *request) (view, error) {
	asked, err := q.newKey()
	if err == nil {
		err = p.API.CheckBody("createKey", asked)
	}
	if err == nil {
		var shown *api.KeyShown
		if shown, err = p.ask.createKey(q.ctx, q.who, &api.NewKeyInput{TenantParameter: q.tenant.parameter(), Body: asked}); err == nil {
			return q.keyShown(shown), nil
		}
	}
	page, found, failed := p.keysOf(q)
	if failed != nil || found.Making == nil {
		return view{}, err
	}
	page.Make, page.New = p.newKeyForm(q, found.Making), ""
	v := view{template: "keys", title: q.l.say("Keys"), body: page, status: statusOf(err)}
	page.Make.Complaints, err = q.complain(err, page.Make.fields())
	return v, err
}

// labelOfKey is the pattern of a label of a key, as it is entered.
var labelOfKey = regexp.MustCompile(`^([^=\s]+)\s*=\s*(\S+)$`)

// newKey is the key that the form asks for.
func (q *request) newKey() (asked api.NewKey, err error) {
	asked = api.NewKey{Name: q.word("name"), User: q.word("user"), Tier: q.word("tier"), Groups: list(q.field("groups")), Models: list(q.field("models"))}
	for _, text := range list(q.field("labels")) {
		parts := labelOfKey.FindStringSubmatch(text)
		if parts == nil {
			return asked, missing("body.labels", phrase("must be such as team=search, separated by commas"))
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

// word is a field of a form without the space around it.
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
