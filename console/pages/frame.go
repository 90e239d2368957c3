package pages

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/console/signin"
)

// frame is what all pages share.
type frame struct {
	Title, Language string
	Content         template.HTML
	Nav             []link
	// User is who has signed in; empty for nobody.
	User    string
	Tenant  string
	Tenants []option
	// IsMany is whether there are too many tenants to list.
	IsMany   bool
	Path     string
	Kept     []option
	Switch   link
	Live     string
	SignedIn bool
}

// link leads to somewhere. Current is whether that is here.
type link struct {
	Title, To string
	Current   bool
	Language  string
}

// option is a value that can be chosen.
type option struct {
	Name, Value string
	Selected    bool
}

// choice is the tenant that a page is about, and what the reader may see of it.
type choice struct {
	Name string
	zone *time.Location
	// user is the reader's user in it; empty if they do not belong to it.
	user string
	// isAdmin is whether the reader sees all of it, isAbove whether sums only.
	isAdmin, isAbove bool
	// hidden are the tenants below it whose budgets the reader does not see, separated by commas.
	hidden string
}

// parameter is the tenant as a parameter of the API's routes.
func (c choice) parameter() api.TenantParameter { return api.TenantParameter{Tenant: c.Name} }

// shows reports whether two choices of the same tenant show the same.
func (c choice) shows(other choice) bool {
	return c.Name == other.Name && c.isAdmin == other.isAdmin && c.isAbove == other.isAbove && c.hidden == other.hidden
}

// choose is the tenant that a URL names, or the one that the reader sees by default.
func (q *request) choose(asked string) choice {
	if asked == "" {
		asked = q.defaultTenant()
	}
	c := choice{Name: asked, zone: time.UTC, hidden: hiddenBelow(q.tenants, asked)}
	zone := ""
	if q.tenants.Has(asked) {
		zone, c.isAbove, c.isAdmin = q.tenants.Zone(asked), true, q.me.PlatformAdmin
	}
	if at := slices.IndexFunc(q.me.Tenants, func(t api.MyTenant) bool { return t.Tenant == asked }); at >= 0 {
		mine := q.me.Tenants[at]
		zone, c.user, c.isAbove, c.isAdmin = mine.TimeZone, mine.User, false, mine.Admin
	}
	if found, err := time.LoadLocation(zone); err == nil {
		c.zone = found
	}
	c.isAbove = c.isAbove && !c.isAdmin
	return c
}

// hiddenBelow names the tenants below one whose budgets the reader does not see, separated by
// commas.
func hiddenBelow(seen api.Tenants, tenant string) string {
	return strings.Join(seen.HiddenBelow(tenant), ",")
}

func (q *request) defaultTenant() string {
	for _, t := range q.me.Tenants {
		if t.Default {
			return t.Tenant
		}
	}
	if len(q.me.Tenants) > 0 {
		return q.me.Tenants[0].Tenant
	}
	for first := range q.tenants.All() {
		return first
	}
	return ""
}

func (p *Pages) frame(q *request, v view, content template.HTML) frame {
	f := frame{
		Title: v.title, Language: q.l.tag.String(), Content: content, Path: q.URL.Path, Live: v.live,
		Tenant: q.tenant.Name, Nav: q.nav(), SignedIn: q.who.Key != nil || q.who.Claims != nil, Switch: q.languageSwitch(),
	}
	if f.SignedIn {
		f.User = q.who.Name(q.tenant.Name)
	}
	if f.Path == tenantsPath {
		f.Path = "/" // that page is not about a tenant
	}
	for name := range q.eachTenant() {
		if len(f.Tenants) == mostChoices {
			f.Tenants, f.IsMany = nil, true
			return f
		}
		f.Tenants = append(f.Tenants, option{name, name, name == q.tenant.Name})
	}
	slices.SortFunc(f.Tenants, func(a, b option) int { return strings.Compare(a.Name, b.Name) })
	return f
}

// nav are the pages that the reader may see.
func (q *request) nav() (all []link) {
	sees := q.tenant.isAdmin || q.tenant.isAbove
	for _, page := range []struct {
		title, path string
		shown       bool
	}{
		{phrase("My usage"), "/usage", q.tenant.user != ""},
		{phrase("Costs"), "/costs", sees},
		{phrase("Calls"), "/calls", q.tenant.isAdmin || q.tenant.user != ""},
		{phrase("Alerts"), "/alerts", q.tenant.isAdmin || q.tenant.user != ""},
		{phrase("Budgets"), "/budgets", sees},
		{phrase("Requests"), "/requests", q.tenant.isAdmin || q.tenant.user != ""},
		{phrase("Keys"), "/keys", q.tenant.isAdmin || q.tenant.user != ""},
		{phrase("Health"), "/health", q.me.PlatformAdmin},
	} {
		if page.shown {
			all = append(all, link{
				Title: q.l.say(page.title), To: q.path(page.path, nil),
				Current: q.URL.Path == page.path || strings.HasPrefix(q.URL.Path, page.path+"/"),
			})
		}
	}
	return all
}

// path is a page of the same tenant.
func (q *request) path(path string, query url.Values) string {
	all := url.Values{}
	for name, values := range query {
		all[name] = values
	}
	if q.tenant.Name != "" && q.tenant.Name != q.defaultTenant() {
		all.Set("tenant", q.tenant.Name)
	}
	if len(all) == 0 {
		return path
	}
	return path + "?" + all.Encode()
}

// with is this page, with another value of a parameter; without the parameter if the value is
// empty.
func (q *request) with(name, value string, without ...string) string {
	query := q.URL.Query()
	for _, other := range append(without, "after") {
		query.Del(other)
	}
	query.Del(name)
	if value != "" {
		query.Set(name, value)
	}
	if len(query) == 0 {
		return q.URL.Path
	}
	return q.URL.Path + "?" + query.Encode()
}

// languageCookie keeps the language that was chosen, which is no secret.
const languageCookie = "bursar_language"

// languageOf is the language of a request: the one that was chosen, or the browser's.
func languageOf(r *http.Request) language.Tag {
	var wanted []language.Tag
	accepted, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil {
		accepted = nil
	}
	if cookie, err := r.Cookie(languageCookie); err == nil {
		if chosen, err := language.Parse(cookie.Value); err == nil {
			// The reader's own formats, if the browser names a variant of the language.
			base, _ := chosen.Base()
			for _, tag := range accepted {
				if other, _ := tag.Base(); other == base {
					wanted = append(wanted, tag)
				}
			}
			wanted = append(wanted, chosen)
		}
	}
	_, at, _ := matcher.Match(append(wanted, accepted...)...)
	return languages[at]
}

// switched keeps the language that a URL chooses, and redirects to the URL without it.
func (p *Pages) switched(w http.ResponseWriter, r *http.Request) bool {
	query := r.URL.Query()
	chosen := query.Get("language")
	if chosen != "en" && chosen != "es" {
		return false
	}
	http.SetCookie(w, &http.Cookie{
		Name: languageCookie, Value: chosen, Path: "/", MaxAge: 365 * 24 * 60 * 60, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: signin.IsOverTLS(r.Context()),
	})
	query.Del("language")
	http.Redirect(w, r, (&url.URL{Path: localPath(r.URL.Path), RawQuery: query.Encode()}).String(), http.StatusSeeOther)
	return true
}

// localPath is a path on this host: a path that begins with two slashes would be on another.
func localPath(path string) string { return "/" + strings.TrimLeft(path, "/\\") }

func (q *request) languageSwitch() link {
	if q.l.isSpanish {
		return link{Title: "English", To: q.with("language", "en"), Language: "en"}
	}
	return link{Title: "Español", To: q.with("language", "es"), Language: "es"}
}

// ranges are links to the stretches of time that a page offers.
func (q *request) ranges(s span) (all []link) {
	for _, one := range spans() {
		all = append(all, link{Title: q.l.say(one.Title), To: q.with("span", one.Name, "from", "to"), Current: s.Name == one.Name})
	}
	return all
}
