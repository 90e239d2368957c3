package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

func members(name, tenant, provider string, members ...limiterv1.Member) limiterv1.Members {
	return limiterv1.Members{Name: name, Tenant: tenant, Provider: provider, Members: members}
}

func directory(documents ...limiterv1.Members) *identity.Directory {
	d := identity.NewDirectory()
	for _, document := range documents {
		d.Put(document)
	}
	return d
}

// TestPrecedence: of several entries that match, it is written down which one counts.
func TestPrecedence(t *testing.T) {
	ana := identity.Claims{
		Provider: "company", Subject: "ana", Email: "ana@example.com", User: "ana", Tier: "token", Groups: []string{"eng", "ops"},
	}
	bySubject := limiterv1.Member{Subject: "ana", Tier: "subject"}
	byEmail := limiterv1.Member{Email: "Ana@example.com", Tier: "email"}
	byEng, byOps := limiterv1.Member{Group: "eng", Tier: "eng"}, limiterv1.Member{Group: "ops", Tier: "ops"}
	for name, tc := range map[string]struct {
		documents []limiterv1.Members
		claimed   []string
		want      string // tenant:tier of each
	}{
		"nobody":                             {},
		"by subject":                         {documents: []limiterv1.Members{members("acme/m", "acme", "company", bySubject)}, want: "acme:subject"},
		"by e-mail, in whatever case":        {documents: []limiterv1.Members{members("acme/m", "acme", "company", byEmail)}, want: "acme:email"},
		"by group":                           {documents: []limiterv1.Members{members("acme/m", "acme", "company", byOps)}, want: "acme:ops"},
		"of another IdentityProvider":        {documents: []limiterv1.Members{members("acme/m", "acme", "other", bySubject, byEmail, byOps)}},
		"the subject before all":             {documents: []limiterv1.Members{members("acme/m", "acme", "company", byOps, byEmail, bySubject)}, want: "acme:subject"},
		"the subject, in a later object":     {documents: []limiterv1.Members{members("acme/a", "acme", "company", byEmail), members("acme/b", "acme", "company", bySubject)}, want: "acme:subject"},
		"the e-mail before groups":           {documents: []limiterv1.Members{members("acme/a", "acme", "company", byOps), members("acme/b", "acme", "company", byEmail)}, want: "acme:email"},
		"the first of two groups":            {documents: []limiterv1.Members{members("acme/m", "acme", "company", byOps, byEng)}, want: "acme:ops"},
		"the group of the first object":      {documents: []limiterv1.Members{members("acme/b", "acme", "company", byEng), members("acme/a", "acme", "company", byOps)}, want: "acme:ops"},
		"the first of equal entries":         {documents: []limiterv1.Members{members("acme/m", "acme", "company", bySubject, limiterv1.Member{Subject: "ana", Tier: "later"})}, want: "acme:subject"},
		"two tenants":                        {documents: []limiterv1.Members{members("beta/m", "beta", "company", byOps), members("acme/m", "acme", "company", bySubject)}, want: "acme:subject beta:ops"},
		"no tier of its own":                 {documents: []limiterv1.Members{members("acme/m", "acme", "company", limiterv1.Member{Subject: "ana"})}, want: "acme:token"},
		"the token's tenant":                 {claimed: []string{"acme"}, want: "acme:token"},
		"the token's tenant, and membership": {documents: []limiterv1.Members{members("acme/m", "acme", "company", byOps)}, claimed: []string{"acme"}, want: "acme:ops"},
		"the token's, and another":           {documents: []limiterv1.Members{members("beta/m", "beta", "company", byOps)}, claimed: []string{"acme"}, want: "acme:token beta:ops"},
		"an entry that names nobody":         {documents: []limiterv1.Members{members("acme/m", "acme", "company", limiterv1.Member{})}},
	} {
		t.Run(name, func(t *testing.T) {
			caller := ana
			caller.Tenants = tc.claimed
			var got []string
			for _, tenancy := range directory(tc.documents...).Tenancies(caller) {
				got = append(got, tenancy.Tenant+":"+tenancy.Tier)
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestChanges: what is changed or withdrawn does not count any more, and nothing else.
func TestChanges(t *testing.T) {
	d := directory(
		members("acme/a", "acme", "company", limiterv1.Member{Subject: "ana", Tier: "a", User: "other", Groups: []string{"x"}, Labels: map[string]string{"team": "a"}, Admin: true}),
		members("acme/b", "acme", "company", limiterv1.Member{Subject: "ana", Tier: "b"}, limiterv1.Member{Subject: "bob", Tier: "b"}),
	)
	see := func(subject string) string {
		return fmt.Sprintf("%+v", d.Tenancies(identity.Claims{
			Provider: "company", Subject: subject, User: subject, Groups: []string{"y"}, Labels: map[string]string{"site": "b", "team": "b"},
		}))
	}
	want := func(subject, want string) {
		t.Helper()
		if got := see(subject); got != want {
			t.Errorf("%s: got %s, want %s", subject, got, want)
		}
	}
	want("ana", "[{Tenant:acme User:other Tier:a Groups:[x y] Labels:map[site:b team:a] Admin:true Default:false Membership:acme/a ActFor:<nil>}]")
	generation := d.Generation()
	d.Put(members("acme/a", "acme", "company", limiterv1.Member{Subject: "carl"}))
	if d.Generation() == generation {
		t.Error("the generation is the same after a change")
	}
	want("ana", "[{Tenant:acme User:ana Tier:b Groups:[y] Labels:map[site:b team:b] Admin:false Default:false Membership:acme/b ActFor:<nil>}]")
	want("carl", "[{Tenant:acme User:carl Tier: Groups:[y] Labels:map[site:b team:b] Admin:false Default:false Membership:acme/a ActFor:<nil>}]")
	d.Withdraw("acme/b")
	d.Withdraw("acme/never")
	want("ana", "[]")
	want("bob", "[]")
}

func TestChoosing(t *testing.T) {
	acme, beta, byDefault := identity.Tenancy{Tenant: "acme"}, identity.Tenancy{Tenant: "beta"}, identity.Tenancy{Tenant: "main", Default: true}
	for name, tc := range map[string]struct {
		tenancies []identity.Tenancy
		asked     string
		want      string
		wantErr   string
	}{
		"the only one":             {tenancies: []identity.Tenancy{acme}, want: "acme"},
		"the only one, named":      {tenancies: []identity.Tenancy{acme}, asked: "acme", want: "acme"},
		"the default":              {tenancies: []identity.Tenancy{acme, byDefault}, want: "main"},
		"another than the default": {tenancies: []identity.Tenancy{acme, byDefault}, asked: "acme", want: "acme"},
		"two, none named":          {tenancies: []identity.Tenancy{acme, beta}, wantErr: "does not say which one pays: acme, beta"},
		"two defaults are none":    {tenancies: []identity.Tenancy{byDefault, {Tenant: "more", Default: true}}, wantErr: "which one pays: main, more"},
		"one that is not theirs":   {tenancies: []identity.Tenancy{acme}, asked: "beta", wantErr: "names a tenant that the caller does not belong to; the caller belongs to acme"},
		"none":                     {wantErr: "the caller belongs to no tenant"},
		"none, named":              {asked: "acme", wantErr: "does not belong to; the caller belongs to no tenant"},
		"another way to write it":  {tenancies: []identity.Tenancy{acme}, asked: "ACME", wantErr: "does not belong to"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := identity.Choose(tc.tenancies, tc.asked)
			if got.Tenant != tc.want {
				t.Errorf("got %q, want %q", got.Tenant, tc.want)
			}
			var why *identity.ChoiceError
			if tc.wantErr != "" && (!errors.As(err, &why) || !strings.Contains(err.Error(), tc.wantErr)) {
				t.Errorf("got the error %v, want one with %q", err, tc.wantErr)
			}
		})
	}
}

// BenchmarkTenancies: who is looked up costs the same in one object as in a thousand.
func BenchmarkTenancies(b *testing.B) {
	for _, n := range []int{1, 1000, 100_000} {
		b.Run(fmt.Sprint(n, " members"), func(b *testing.B) {
			d := identity.NewDirectory()
			for first := 0; first < n; first += 1000 {
				var some []limiterv1.Member
				for i := first; i < min(n, first+1000); i++ {
					some = append(some, limiterv1.Member{Subject: fmt.Sprint("user-", i)})
				}
				d.Put(members(fmt.Sprint("acme/", first), "acme", "company", some...))
			}
			caller := identity.Claims{Provider: "company", Subject: fmt.Sprint("user-", n-1), User: "u"}
			for b.Loop() {
				if len(d.Tenancies(caller)) != 1 {
					b.Fatal("nobody")
				}
			}
		})
	}
}
