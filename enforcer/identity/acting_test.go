package identity_test

import (
	"crypto/sha256"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/identity/identify"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// TestActing: a caller that may act for others counts as the user that it names, within its
// grant. Every other caller counts as the user of its credential.
func TestActing(t *testing.T) {
	grant := &limiterv1.ActFor{Users: []string{"shop-*", "*@acme.example", "ana"}, Tiers: []string{"empleado", "gerente"}, Groups: []string{"team-*", "research"}}
	credential := func(name, tier string, actFor *limiterv1.ActFor) []limiterv1.Credential {
		return []limiterv1.Credential{{Name: "acme/" + name, Tenant: "acme", User: name, Tier: tier, ActFor: actFor}}
	}
	identifier := newIdentifier(map[[sha256.Size]byte][]limiterv1.Credential{
		sha256.Sum256([]byte("key-of-server")): credential("server", "servicio", grant),
		sha256.Sum256([]byte("key-of-one")):    credential("one", "servicio", &limiterv1.ActFor{Users: []string{"ana"}}),
		sha256.Sum256([]byte("key-of-group")): {{
			Name: "acme/group", Tenant: "acme", User: "group", Tier: "servicio", Groups: []string{"shop"}, ActFor: &limiterv1.ActFor{Users: []string{"ana"}, Groups: []string{"team-*"}},
		}},
		sha256.Sum256([]byte("key-of-eve")): credential("eve", "empleado", nil),
	}, time.Now())
	server := admission.Subject{Tenant: "acme", User: "server", Tier: "servicio", Credential: "acme/server"}
	as := func(user, tier string) admission.Subject {
		return admission.Subject{Tenant: "acme", User: user, Tier: tier, Actor: "server", Credential: "acme/server"}
	}
	in := func(subject admission.Subject, groups ...string) admission.Subject {
		subject.Groups = groups
		return subject
	}
	for name, tc := range map[string]struct {
		key    string // empty: key-of-server
		header http.Header
		want   admission.Subject
		// told is what the refused caller reads; empty where it is not refused.
		told string
	}{
		"a user in groups": {
			header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Groups": {"team-b, research,team-a,team-b"}},
			want:   in(as("ana", "servicio"), "research", "team-a", "team-b"),
		},
		"a user of a credential in a group": {
			key: "key-of-group", header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Groups": {"shop,team-a"}},
			want: admission.Subject{Tenant: "acme", User: "ana", Tier: "servicio", Actor: "group", Credential: "acme/group", Groups: []string{"shop", "team-a"}},
		},
		"a user of a credential in a group, which cannot be left": {
			key: "key-of-group", header: http.Header{"X-Bursar-User": {"ana"}},
			want: admission.Subject{Tenant: "acme", User: "ana", Tier: "servicio", Actor: "group", Credential: "acme/group", Groups: []string{"shop"}},
		},
		"another group": {
			header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Groups": {"team-a,finance"}},
			told:   "the header X-Bursar-Groups names a group that this credential may not name: it may name team-*, research",
		},
		"any group, where none may be named": {
			key: "key-of-one", header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Groups": {"team-a"}}, told: "it may name none",
		},
		"groups without a user":          {header: http.Header{"X-Bursar-Groups": {"team-a"}}, told: "X-Bursar-Groups is read only together with the header X-Bursar-User"},
		"no groups":                      {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Groups": {""}}, told: "X-Bursar-Groups must list groups"},
		"an empty group":                 {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Groups": {"team-a,,team-b"}}, told: "X-Bursar-Groups must list groups"},
		"groups twice":                   {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Groups": {"team-a", "team-b"}}, told: "X-Bursar-Groups was sent more than once"},
		"a group that looks like one":    {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Groups": {"team-\u0430"}}, told: "X-Bursar-Groups must list groups"},
		"a group with a line feed":       {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Groups": {"research\n"}}, told: "X-Bursar-Groups must list groups"},
		"a group that is too long":       {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Groups": {"team-" + strings.Repeat("a", 59)}}, told: "X-Bursar-Groups must list groups"},
		"more groups than anybody is in": {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Groups": {groupsInAField(65)}}, told: "the user is in 65 groups, of which there may be 64"},
		"nobody":                         {want: server},
		"a user":                         {header: http.Header{"X-Bursar-User": {"shop-7"}}, want: as("shop-7", "servicio")},
		"a user by domain":               {header: http.Header{"X-Bursar-User": {"ana@acme.example"}}, want: as("ana@acme.example", "servicio")},
		"a user and a tier":              {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Tier": {"gerente"}}, want: as("ana", "gerente")},
		"a user and its own tier":        {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Tier": {"servicio"}}, want: as("ana", "servicio")},
		"a longest name": {
			header: http.Header{"X-Bursar-User": {"shop-" + strings.Repeat("7", 123)}}, want: as("shop-"+strings.Repeat("7", 123), "servicio"),
		},
		"without the grant": {
			key: "key-of-eve", header: http.Header{"X-Bursar-User": {"ana", "bo"}, "X-Bursar-Tier": {"\x01"}, "X-Bursar-Groups": {"team-a"}},
			want: admission.Subject{Tenant: "acme", User: "eve", Tier: "empleado", Credential: "acme/eve"},
		},
		"another user": {
			header: http.Header{"X-Bursar-User": {"root"}},
			told:   "the header X-Bursar-User names a user that this credential may not act for: it may act for shop-*, *@acme.example, ana",
		},
		"the name in another case": {header: http.Header{"X-Bursar-User": {"Ana"}}, told: "may not act for"},
		"a domain that ends alike": {header: http.Header{"X-Bursar-User": {"ana@acme.example.eve.example"}}, told: "may not act for"},
		"another tier": {
			header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Tier": {"corporativo"}},
			told:   "the header X-Bursar-Tier names a tier that this credential may not name: it may name servicio, empleado, gerente",
		},
		"another tier, where none may be named": {
			key: "key-of-one", header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Tier": {"gerente"}}, told: "it may name servicio",
		},
		"no tier":                       {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Tier": {""}}, told: "X-Bursar-Tier names a tier"},
		"a tier with a line feed":       {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Tier": {"gerente\n"}}, told: "X-Bursar-Tier names a tier"},
		"a tier without a user":         {header: http.Header{"X-Bursar-Tier": {"gerente"}}, told: "is read only together with the header X-Bursar-User"},
		"an empty user":                 {header: http.Header{"X-Bursar-User": {""}}, told: "must be the name of a user"},
		"a user twice":                  {header: http.Header{"X-Bursar-User": {"ana", "ana"}}, told: "the header X-Bursar-User was sent more than once: send it once"},
		"two tiers":                     {header: http.Header{"X-Bursar-User": {"ana"}, "X-Bursar-Tier": {"gerente", "empleado"}}, told: "X-Bursar-Tier was sent more than once"},
		"two users in one field":        {header: http.Header{"X-Bursar-User": {"shop-1, shop-2"}}, told: "must be the name of a user"},
		"a name that is too long":       {header: http.Header{"X-Bursar-User": {"shop-" + strings.Repeat("7", 124)}}, told: "must be the name of a user"},
		"a control character":           {header: http.Header{"X-Bursar-User": {"shop-\x00"}}, told: "must be the name of a user"},
		"a line feed at the end":        {header: http.Header{"X-Bursar-User": {"shop-1\n"}}, told: "must be the name of a user"},
		"a letter that looks alike":     {header: http.Header{"X-Bursar-User": {"shop-\u0430"}}, told: "must be the name of a user"},
		"a letter of no width":          {header: http.Header{"X-Bursar-User": {"ana\u200b"}}, told: "must be the name of a user"},
		"a colon, which counters have":  {header: http.Header{"X-Bursar-User": {"shop-1:2"}}, told: "must be the name of a user"},
		"the pattern itself":            {header: http.Header{"X-Bursar-User": {"shop-*"}}, told: "must be the name of a user"},
		"blanks around it":              {header: http.Header{"X-Bursar-User": {" ana "}}, told: "must be the name of a user"},
		"another tenant's user by name": {header: http.Header{"X-Bursar-User": {"other/ana"}}, told: "must be the name of a user"},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Authorization": {"Bearer key-of-server"}}
			if tc.key != "" {
				header.Set("Authorization", "Bearer "+tc.key)
			}
			for field, values := range tc.header {
				header[field] = values
			}
			got, err := identifier.Identify(t.Context(), identity.Request{Protocol: protocol.OpenAI{}, Header: header})
			if !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			var why *identify.Error
			if !errors.As(err, &why) && tc.told == "" {
				return
			}
			if why == nil || tc.told == "" || why.Status != identify.Forbidden || why.Reason != identify.ActingForbidden || !strings.Contains(why.Message, tc.told) {
				t.Errorf("got error %v, want %q", err, tc.told)
			}
		})
	}
}

func groupsInAField(n int) string {
	groups := make([]string, n)
	for i := range groups {
		groups[i] = "team-" + strconv.Itoa(i)
	}
	return strings.Join(groups, ",")
}

// TestActingWithAToken: a member of a tenant may act for others in it, and only there.
func TestActingWithAToken(t *testing.T) {
	o := newOffice(t)
	o.belong("acme", limiterv1.Member{Subject: "ana", Tier: "gerente", ActFor: &limiterv1.ActFor{Users: []string{"shop-*"}}})
	o.belong("beta", limiterv1.Member{Subject: "ana", Tier: "gerente"})
	token := "Bearer " + o.token("ana")
	shop := ana
	shop.Actor, shop.User = "ana", "shop-1"
	beta := ana
	beta.Tenant = "beta"
	for range 2 { // the second time, the token is remembered
		o.want(shop, "", "Authorization", token, "X-Bursar-Tenant", "acme", "X-Bursar-User", "shop-1")
		o.want(beta, "", "Authorization", token, "X-Bursar-Tenant", "beta", "X-Bursar-User", "shop-1")
		o.want(admission.Subject{}, identify.ActingForbidden, "Authorization", token, "X-Bursar-Tenant", "acme", "X-Bursar-User", "bob")
	}
	o.belong("acme", limiterv1.Member{Subject: "ana", Tier: "gerente"})
	o.want(ana, "", "Authorization", token, "X-Bursar-Tenant", "acme", "X-Bursar-User", "shop-1")
}

// TestNobodyActsAsAnAdministrator: an administrator of a tenant is one only under their own name.
func TestNobodyActsAsAnAdministrator(t *testing.T) {
	o := newOffice(t)
	o.belong("acme", limiterv1.Member{Subject: "ana", Tier: "gerente", Admin: true, ActFor: &limiterv1.ActFor{Users: []string{"shop-*"}}})
	token := "Bearer " + o.token("ana")
	admin, shop := ana, ana
	admin.Admin = true
	shop.Actor, shop.User = "ana", "shop-1"
	o.want(admin, "", "Authorization", token)
	o.want(shop, "", "Authorization", token, "X-Bursar-User", "shop-1")
}
