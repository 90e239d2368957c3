package acceptance_test

import (
	"fmt"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/fakecache"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// company is an IdentityProvider that lets the namespace acme name people of acme.example.
func company(change func(*v1alpha1.IdentityProvider)) *v1alpha1.IdentityProvider {
	p := objects.IdentityProvider("https://login.example.com/keys")
	p.Name, p.Spec.Issuer.URL = "company", "https://login.example.com"
	p.Spec.AllowedMemberships = []v1alpha1.AllowedMemberships{{
		Namespaces: []string{"acme"}, Subjects: []string{"acme|*"}, Emails: []string{"*@ACME.example"}, Groups: []string{"acme/{namespace}/*"},
	}}
	p.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAccepted}}
	change(p)
	return p
}

func unchanged(*v1alpha1.IdentityProvider) {}

func TestOfIdentityProvider(t *testing.T) {
	named := func(name string, change func(*v1alpha1.IdentityProvider)) *v1alpha1.IdentityProvider {
		p := company(change)
		p.Name = name
		return p
	}
	ofCluster := func(p *v1alpha1.IdentityProvider) {
		p.Spec.Issuer = v1alpha1.Issuer{Cluster: true, Audiences: []string{"bursar"}}
	}
	for name, tc := range map[string]struct {
		there     []client.Object
		provider  *v1alpha1.IdentityProvider
		want      string
		forfeited bool
	}{
		"an issuer":   {nil, company(unchanged), accepted, false},
		"the cluster": {nil, company(ofCluster), accepted, false},
		"an older one's issuer": {
			[]client.Object{aged(0, named("older", unchanged))}, company(unchanged), "False Conflicted spec.issuer.url", true,
		},
		"a younger one's issuer": {[]client.Object{aged(2, named("younger", unchanged))}, company(unchanged), accepted, false},
		"an older one's alias": {
			[]client.Object{aged(0, named("older", func(p *v1alpha1.IdentityProvider) {
				p.Spec.Issuer.URL, p.Spec.Issuer.Aliases = "https://b.example.com", []string{"https://login.example.com"}
			}))}, company(unchanged), "False Conflicted spec.issuer.url", true,
		},
		"an alias that is an older one's issuer": {
			[]client.Object{aged(0, named("older", unchanged))}, company(func(p *v1alpha1.IdentityProvider) {
				p.Spec.Issuer.URL, p.Spec.Issuer.Aliases = "https://b.example.com", []string{"x", "https://login.example.com"}
			}), "False Conflicted spec.issuer.aliases[1]", true,
		},
		"the cluster, as an older one": {
			[]client.Object{aged(0, named("older", ofCluster))}, company(ofCluster), "False Conflicted spec.issuer.cluster", true,
		},
		"the cluster's issuer by its name": {
			[]client.Object{aged(0, named("older", func(p *v1alpha1.IdentityProvider) {
				ofCluster(p)
				p.Status.Issuer = "https://login.example.com"
			}))}, company(unchanged), "False Conflicted spec.issuer.url", true,
		},
		"keys that are none": {nil, company(func(p *v1alpha1.IdentityProvider) {
			p.Spec.Issuer.JWKSURL, p.Spec.Issuer.JWKS = "", "{}"
		}), "False Invalid spec.issuer.jwks", false},
		"expressions that are none": {nil, company(func(p *v1alpha1.IdentityProvider) {
			p.Spec.ClaimMappings.User = v1alpha1.ClaimMapping{Expression: "claims."}
			p.Spec.ClaimMappings.Tier = &v1alpha1.ClaimMapping{Expression: "1"}
			p.Spec.ClaimValidationRules = []v1alpha1.ClaimValidationRule{{Claim: "a"}, {Expression: "user.tier == 'a'"}}
		}), "False Invalid spec.claimValidationRules[1].expression,spec.claimMappings.user.expression,spec.claimMappings.tier.expression", false},
		"an expression that costs too much": {nil, company(func(p *v1alpha1.IdentityProvider) {
			p.Spec.ClaimMappings.Tier = &v1alpha1.ClaimMapping{
				Expression: "claims.a.all(x, claims.a.all(y, claims.a.all(z, x == y && y == z))) ? 'a' : 'b'",
			}
		}), "False Invalid spec.claimMappings.tier.expression", false},
		"invalid, of another's issuer": {
			[]client.Object{aged(0, named("older", unchanged))}, company(func(p *v1alpha1.IdentityProvider) {
				p.Spec.ClaimMappings.User = v1alpha1.ClaimMapping{Expression: "claims."}
			}), "False Invalid spec.claimMappings.user.expression", true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			decided, err := acceptance.DecideIdentityProvider(t.Context(), fakecache.New(t, tc.there...), aged(1, tc.provider))
			testkit.Must(t, err)
			if got := verdict(decided.Decision); got != tc.want {
				t.Errorf("got %q, want %q: %s", got, tc.want, decided.Message)
			}
			if decided.Forfeited != tc.forfeited {
				t.Errorf("forfeited is %v", decided.Forfeited)
			}
			if decided.Holds() != (decided.Document != nil) {
				t.Errorf("document is %v", decided.Document)
			}
		})
	}
}

func TestOfMembership(t *testing.T) {
	acme := aged(0, budget("acme", v1alpha1.ReasonAccepted))
	there := []client.Object{acme, aged(0, company(unchanged))}
	selecting := func(labels v1alpha1.MatchLabels) *v1alpha1.IdentityProvider {
		return aged(0, company(func(p *v1alpha1.IdentityProvider) {
			p.Spec.AllowedMemberships[0].Namespaces = nil
			p.Spec.AllowedMemberships[0].NamespaceSelector = &v1alpha1.LabelSelector{MatchLabels: labels}
		}))
	}
	of := func(members ...v1alpha1.Member) []v1alpha1.Member { return members }
	ana := of(v1alpha1.Member{Subject: "acme|ana"})
	for name, tc := range map[string]struct {
		there     []client.Object
		members   []v1alpha1.Member
		want      string
		forfeited bool
	}{
		"by subject":         {there, ana, accepted, false},
		"by e-mail address":  {there, of(v1alpha1.Member{Email: "ANA@acme.Example"}), accepted, false},
		"by group":           {there, of(v1alpha1.Member{Group: "acme/acme/eu"}), accepted, false},
		"of another's group": {there, of(v1alpha1.Member{Group: "acme/emea/eu"}), "False MemberNotAllowed spec.members[0].group", false},
		"of another's domain": {
			there, append(of(ana...), v1alpha1.Member{Email: "eva@emea.example"}), "False MemberNotAllowed spec.members[1].email", false,
		},
		"twice the same": {
			there, of(v1alpha1.Member{Email: "ana@acme.example"}, v1alpha1.Member{Email: "Ana@acme.example"}), "False Invalid spec.members[1].email", false,
		},
		"without the budget": {there[1:], ana, "False TargetNotFound spec.budgetRef.name", true},
		"of a budget that may not name its tenant": {
			[]client.Object{aged(0, budget("acme", v1alpha1.ReasonConflicted)), there[1]}, ana, "False TargetNotAccepted", true,
		},
		"of a budget that is invalid": {
			[]client.Object{aged(0, budget("acme", v1alpha1.ReasonInvalid)), there[1]}, ana, "False TargetNotAccepted", false,
		},
		"without the IdentityProvider": {there[:1], ana, "False IdentityProviderNotFound spec.identityProviderRef.name", true},
		"of one that allows others": {
			[]client.Object{acme, aged(0, company(func(p *v1alpha1.IdentityProvider) { p.Spec.AllowedMemberships[0].Namespaces = []string{"emea"} }))},
			ana, "False IdentityProviderNotFound spec.identityProviderRef.name", true,
		},
		"of one that allows nobody": {
			[]client.Object{acme, aged(0, company(func(p *v1alpha1.IdentityProvider) { p.Spec.AllowedMemberships = nil }))},
			ana, "False IdentityProviderNotFound spec.identityProviderRef.name", true,
		},
		"of one that selects the namespace": {
			[]client.Object{acme, selecting(v1alpha1.MatchLabels{"company": "acme"}), namespace("acme", map[string]string{"company": "acme"})},
			ana, accepted, false,
		},
		"of one that selects others": {
			[]client.Object{acme, selecting(v1alpha1.MatchLabels{"company": "acme"}), namespace("acme", nil)},
			ana, "False IdentityProviderNotFound spec.identityProviderRef.name", true,
		},
		"of one that waits for the controller": {
			[]client.Object{acme, aged(0, company(func(p *v1alpha1.IdentityProvider) { p.Status.Conditions = nil }))},
			ana, "Unknown IdentityProviderNotAccepted", false,
		},
		"of one that is not accepted": {
			[]client.Object{acme, aged(0, company(func(p *v1alpha1.IdentityProvider) {
				p.Status.Conditions[0].Status, p.Status.Conditions[0].Reason = metav1.ConditionFalse, v1alpha1.ReasonConflicted
			}))}, ana, "False IdentityProviderNotAccepted", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := objects.Membership("acme", "staff", company(unchanged))
			m.Spec.Members = tc.members
			decided, err := acceptance.DecideMembership(t.Context(), fakecache.New(t, tc.there...), aged(1, m))
			testkit.Must(t, err)
			if got := verdict(decided.Decision); got != tc.want {
				t.Errorf("got %q, want %q: %s", got, tc.want, decided.Message)
			}
			if decided.Forfeited != tc.forfeited {
				t.Errorf("forfeited is %v", decided.Forfeited)
			}
			if decided.Holds() != (decided.Document != nil) {
				t.Errorf("document is %v", decided.Document)
			}
		})
	}
}

// TestThousandMembersNotAllowed: the message stays short.
func TestThousandMembersNotAllowed(t *testing.T) {
	m := objects.Membership("acme", "staff", company(unchanged))
	m.Spec.Members = nil
	for i := range 1000 {
		m.Spec.Members = append(m.Spec.Members, v1alpha1.Member{Subject: fmt.Sprint("emea|", i)})
	}
	decided, err := acceptance.DecideMembership(t.Context(),
		fakecache.New(t, aged(0, budget("acme", v1alpha1.ReasonAccepted)), aged(0, company(unchanged))), aged(1, m))
	testkit.Must(t, err)
	if len(decided.Message) > 4000 || !strings.Contains(decided.Message, "990 more members have the same problem") {
		t.Errorf("%d bytes: %s", len(decided.Message), decided.Message)
	}
}
