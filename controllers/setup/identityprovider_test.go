package setup_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// issuer is a server with a discovery document and keys.
type issuer struct {
	*httptest.Server
	mu      sync.Mutex
	keys    jose.JSONWebKeySet
	raw     string
	away    bool
	fetches int
}

// startIssuer runs an issuer with keys of these ids.
func startIssuer(ids ...string) *issuer {
	i := &issuer{}
	i.Server = httptest.NewTLSServer(i)
	i.has(ids...)
	DeferCleanup(i.Close)
	return i
}

func (i *issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.away:
		w.WriteHeader(http.StatusServiceUnavailable)
	case r.URL.Path == "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": i.URL, "jwks_uri": i.URL + "/keys"})
	case r.URL.Path == "/keys" && i.raw != "":
		_, _ = fmt.Fprint(w, i.raw)
	case r.URL.Path == "/keys":
		i.fetches++
		_ = json.NewEncoder(w).Encode(i.keys)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// has makes its keys others.
func (i *issuer) has(ids ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = jose.JSONWebKeySet{}
	for _, id := range ids {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		Expect(err).NotTo(HaveOccurred())
		i.keys.Keys = append(i.keys.Keys, jose.JSONWebKey{Key: key.Public(), KeyID: id, Algorithm: "ES256", Use: "sig"})
	}
}

func (i *issuer) isAway(is bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.away = is
}

func (i *issuer) answers(raw string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.raw = raw
}

func (i *issuer) fetched() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches
}

// provider is an IdentityProvider of the issuer.
func (i *issuer) provider(namespaces ...string) *v1alpha1.IdentityProvider {
	p := objects.IdentityProvider("", namespaces...)
	p.Spec.Issuer.URL = i.URL
	p.Spec.Issuer.CertificateAuthority = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Certificate().Raw}))
	return p
}

func identityDocument(ctx context.Context, p *v1alpha1.IdentityProvider) func() string {
	return func() string {
		_, body, _ := strings.Cut(stored(ctx, "identity/"+p.Name), " ") // after its revision
		return body
	}
}

// misses says, as an enforcer does, that a key of the issuer is missed.
func misses(ctx context.Context, p *v1alpha1.IdentityProvider) {
	GinkgoHelper()
	Expect(redisClient.HSet(ctx, limiterv1.WantedKeysKey, p.Name, 1).Err()).To(Succeed())
}

var _ = Describe("An IdentityProvider", func() {
	It("is programmed with the keys that its issuer has", func(ctx SpecContext) {
		startEnforcer(true)
		i := startIssuer("first", "second")
		p := i.provider()
		create(ctx, p)
		expectProgrammed(ctx, p)
		expectCondition(ctx, p, v1alpha1.ConditionKeysFetched, "True Fetched")
		expectCondition(ctx, p, v1alpha1.ConditionReady, "True Enforced")
		Expect(p.Status.Issuer).To(Equal(i.URL))
		Expect(p.Status.Keys.IDs).To(Equal([]string{"first", "second"}))
		Expect(p.Status.Keys.JWKS).To(And(ContainSubstring("first"), Not(ContainSubstring(`"d"`))))
		var document limiterv1.IdentityProvider
		Expect(json.Unmarshal([]byte(identityDocument(ctx, p)()), &document)).To(Succeed())
		Expect(document.Issuers).To(Equal([]string{i.URL}))
		Expect(string(document.Keys)).To(MatchJSON(p.Status.Keys.JWKS))
		Expect(document.Algorithms).To(Equal([]string{"RS256", "ES256"}))

		By("new keys, which an enforcer misses")
		i.has("second", "third")
		missed := time.Now()
		misses(ctx, p)
		Eventually(ctx, identityDocument(ctx, p)).Should(ContainSubstring("third"))
		GinkgoWriter.Printf("the new key was in the document after %v\n", time.Since(missed))
		Eventually(ctx, eventsOf(ctx, p, v1alpha1.EventKeysChanged)).Should(ConsistOf(
			`Normal: the issuer has the keys ["second" "third"]; before, it had ["first" "second"]`))

		By("keys that are missed again and again, which are fetched once a minute")
		before := i.fetched()
		for range 20 {
			misses(ctx, p)
			time.Sleep(20 * time.Millisecond)
		}
		Consistently(ctx, i.fetched).WithTimeout(time.Second).Should(Equal(before))

		By("going")
		remove(ctx, p)
		Expect(identityDocument(ctx, p)()).To(BeEmpty())
	})

	It("keeps the keys that were fetched last while its issuer is away", func(ctx SpecContext) {
		startEnforcer(true)
		i := startIssuer("first")
		p := i.provider()
		create(ctx, p)
		expectProgrammed(ctx, p)
		i.isAway(true)
		misses(ctx, p)
		expectCondition(ctx, p, v1alpha1.ConditionKeysFetched, "False FetchFailed")
		Expect(message(p, v1alpha1.ConditionKeysFetched)).To(Equal(
			i.URL + "/.well-known/openid-configuration answers with status 503, not 200; the keys that were fetched last stay in force"))
		expectCondition(ctx, p, v1alpha1.ConditionReady, "True Enforced")
		Expect(identityDocument(ctx, p)()).To(ContainSubstring("first"))
		Eventually(ctx, eventsOf(ctx, p, v1alpha1.EventKeysFetchFailed)).Should(ConsistOf(HavePrefix("Warning: ")))

		By("a manager that has never fetched them")
		stopManager()
		Expect(redisClient.HDel(ctx, limiterv1.DocumentsKey, "identity/"+p.Name).Err()).To(Succeed())
		stopManager = startManager()
		Eventually(ctx, identityDocument(ctx, p)).Should(ContainSubstring("first"))

		By("the issuer coming back")
		i.isAway(false)
		expectCondition(ctx, p, v1alpha1.ConditionKeysFetched, "True Fetched")
		Eventually(ctx, eventsOf(ctx, p, v1alpha1.EventKeysFetched)).Should(HaveLen(1))
	})

	It("is not ready until it has keys, and takes none that are no public keys", func(ctx SpecContext) {
		startEnforcer(true)
		i := startIssuer("first")
		i.answers(`{"keys": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "TOP-SECRET"}]}`)
		p := i.provider()
		create(ctx, p)
		expectCondition(ctx, p, v1alpha1.ConditionKeysFetched, "False FetchFailed")
		expectCondition(ctx, p, v1alpha1.ConditionProgrammed, "False KeysNotFetched")
		expectCondition(ctx, p, v1alpha1.ConditionReconciling, "True KeysNotFetched")
		Expect(message(p, v1alpha1.ConditionKeysFetched)).To(And(
			ContainSubstring("the key is private"), HaveSuffix("until the keys are fetched, every token of the issuer is refused"),
			Not(ContainSubstring("TOP-SECRET"))))
		Expect(p.Status.Keys).To(BeNil())
		i.answers("")
		expectProgrammed(ctx, p)
	})

	It("refuses the discovery document of another, and a server that nobody vouches for", func(ctx SpecContext) {
		i, other := startIssuer("first"), startIssuer("second")
		p := i.provider()
		p.Spec.Issuer.DiscoveryURL = other.URL + "/.well-known/openid-configuration"
		create(ctx, p)
		expectCondition(ctx, p, v1alpha1.ConditionKeysFetched, "False FetchFailed")
		Expect(message(p, v1alpha1.ConditionKeysFetched)).To(ContainSubstring("is the discovery document of another issuer"))
		update(ctx, p, func(p *v1alpha1.IdentityProvider) {
			p.Spec.Issuer.DiscoveryURL, p.Spec.Issuer.CertificateAuthority = "", ""
		})
		expectCondition(ctx, p, v1alpha1.ConditionKeysFetched, "False FetchFailed")
		Eventually(ctx, func() string {
			_ = get(ctx, p)
			return message(p, v1alpha1.ConditionKeysFetched)
		}).Should(ContainSubstring("certificate signed by unknown authority"))
	})

	It("may be the cluster itself, whose keys the manager asks the API server for", func(ctx SpecContext) {
		startEnforcer(true)
		p := objects.IdentityProvider("")
		p.Spec.Issuer = v1alpha1.Issuer{Cluster: true, Audiences: []string{"bursar"}}
		create(ctx, p)
		expectProgrammed(ctx, p)
		Expect(p.Status.Issuer).To(HavePrefix("https://"))
		Expect(p.Status.Keys.IDs).NotTo(BeEmpty())
		Expect(identityDocument(ctx, p)()).To(ContainSubstring(`"issuers":["` + p.Status.Issuer + `"]`))

		By("a younger one that names the cluster's issuer")
		younger := objects.IdentityProvider("https://localhost:1/keys")
		younger.Name = "z" + younger.Name
		younger.Spec.Issuer.URL = p.Status.Issuer
		create(ctx, younger)
		expectCondition(ctx, younger, v1alpha1.ConditionAccepted, "False Conflicted")
		Expect(message(younger, v1alpha1.ConditionAccepted)).To(ContainSubstring("spec.issuer.url"))
		Expect(identityDocument(ctx, younger)()).To(BeEmpty())
	})

	It("has its issuer for itself: the older one wins", func(ctx SpecContext) {
		startEnforcer(true)
		i := startIssuer("first")
		older, younger := i.provider(), i.provider()
		older.Name, younger.Name = "a"+older.Name, "b"+younger.Name
		younger.Spec.Issuer = v1alpha1.Issuer{
			URL: "https://" + younger.Name + ".example.com", Aliases: []string{i.URL}, Audiences: []string{"bursar"},
			JWKSURL: i.URL + "/keys", CertificateAuthority: older.Spec.Issuer.CertificateAuthority,
		}
		create(ctx, older)
		expectProgrammed(ctx, older)
		create(ctx, younger)
		expectCondition(ctx, younger, v1alpha1.ConditionAccepted, "False Conflicted")
		Expect(message(younger, v1alpha1.ConditionAccepted)).To(ContainSubstring("spec.issuer.aliases[0]: Invalid value"))
		Expect(identityDocument(ctx, younger)()).To(BeEmpty())
		remove(ctx, older)
		expectProgrammed(ctx, younger)
	})

	It("says which expression is wrong", func(ctx SpecContext) {
		p := objects.IdentityProvider("https://localhost:1/keys")
		p.Spec.ClaimMappings.User = v1alpha1.ClaimMapping{Expression: "claims.sub +"}
		create(ctx, p)
		expectCondition(ctx, p, v1alpha1.ConditionAccepted, "False Invalid")
		Expect(message(p, v1alpha1.ConditionAccepted)).To(ContainSubstring(`spec.claimMappings.user.expression: Invalid value: "claims.sub +"`))
		Expect(identityDocument(ctx, p)()).To(BeEmpty())
	})
})

// members are those of a Membership that are in force, by what they are named.
func members(ctx context.Context, m *v1alpha1.Membership) func() []string {
	return func() (named []string) {
		var document limiterv1.Members
		if _, body, found := strings.Cut(stored(ctx, "members/"+m.Namespace+"/"+m.Name), " "); found {
			Expect(json.Unmarshal([]byte(body), &document)).To(Succeed())
		}
		for _, member := range document.Members {
			named = append(named, document.Tenant+": "+member.Subject+member.Email+member.Group)
		}
		return named
	}
}

// inline is an IdentityProvider whose keys are in it.
func inline(namespaces ...string) *v1alpha1.IdentityProvider {
	p := objects.IdentityProvider("", namespaces...)
	p.Spec.Issuer.JWKS = `{"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`
	p.Spec.Algorithms = []v1alpha1.SignatureAlgorithm{"EdDSA"}
	return p
}

var _ = Describe("A Membership", func() {
	It("is programmed while its budget and its IdentityProvider stand", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		provider := inline(tenant)
		m := objects.Membership(tenant, "staff", provider)
		m.Spec.Members = append(m.Spec.Members, v1alpha1.Member{Email: "Eva@Acme.Example", Tier: "empleado", Admin: true, Default: true})
		create(ctx, m)
		expectCondition(ctx, m, v1alpha1.ConditionAccepted, "False TargetNotFound")
		create(ctx, objects.TenantBudget(tenant))
		expectCondition(ctx, m, v1alpha1.ConditionAccepted, "False IdentityProviderNotFound")
		expectCondition(ctx, m, v1alpha1.ConditionReconciling, "True IdentityProviderNotFound")
		create(ctx, provider)
		expectProgrammed(ctx, provider)
		expectProgrammed(ctx, m)
		Expect(members(ctx, m)()).To(Equal([]string{tenant + ": ana", tenant + ": eva@acme.example"}))
		Expect(m.Status.Members).To(BeEquivalentTo(2))

		By("its IdentityProvider allowing fewer, which takes out the others at once")
		update(ctx, provider, func(p *v1alpha1.IdentityProvider) { p.Spec.AllowedMemberships[0].Emails = []string{"*@other.example"} })
		expectCondition(ctx, m, v1alpha1.ConditionAccepted, "False MemberNotAllowed")
		Expect(message(m, v1alpha1.ConditionAccepted)).To(ContainSubstring("spec.members[1].email: Forbidden"))
		Eventually(ctx, members(ctx, m)).Should(Equal([]string{tenant + ": ana"}))

		By("its becoming invalid, which keeps none that is not allowed any more")
		update(ctx, m, func(m *v1alpha1.Membership) {
			m.Spec.Members = []v1alpha1.Member{{Subject: "leo"}, {Subject: "leo"}}
		})
		expectCondition(ctx, m, v1alpha1.ConditionAccepted, "False Invalid")
		Expect(members(ctx, m)()).To(Equal([]string{tenant + ": ana"}), "what was in force stays")
		update(ctx, provider, func(p *v1alpha1.IdentityProvider) { p.Spec.AllowedMemberships[0].Subjects = nil })
		Eventually(ctx, members(ctx, m)).Should(BeEmpty())
		expectHeld(ctx, m, false)

		By("being allowed again")
		update(ctx, m, func(m *v1alpha1.Membership) { m.Spec.Members = []v1alpha1.Member{{Group: "staff"}} })
		expectProgrammed(ctx, m)
		expectHeld(ctx, m, true)

		By("its IdentityProvider going")
		remove(ctx, provider)
		expectCondition(ctx, m, v1alpha1.ConditionAccepted, "False IdentityProviderNotFound")
		Eventually(ctx, members(ctx, m)).Should(BeEmpty())
	})

	It("follows the labels of its namespace", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx, v1alpha1.DelegatedLabel)
		create(ctx, objects.TenantBudget(tenant))
		provider := inline(tenant)
		provider.Spec.AllowedMemberships[0].Namespaces = nil
		provider.Spec.AllowedMemberships[0].NamespaceSelector = &v1alpha1.LabelSelector{
			MatchLabels: v1alpha1.MatchLabels{v1alpha1.DelegatedLabel: "true"},
		}
		create(ctx, provider)
		m := objects.Membership(tenant, "staff", provider)
		create(ctx, m)
		expectProgrammed(ctx, m)
		label(ctx, tenant, nil)
		expectCondition(ctx, m, v1alpha1.ConditionAccepted, "False IdentityProviderNotFound")
		Eventually(ctx, members(ctx, m)).Should(BeEmpty())
	})

	It("has a thousand members, programmed within a second", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		create(ctx, objects.TenantBudget(tenant))
		provider := inline(tenant)
		create(ctx, provider)
		expectProgrammed(ctx, provider)
		m := objects.Membership(tenant, "staff", provider)
		m.Spec.Members = nil
		for n := range 1000 {
			m.Spec.Members = append(m.Spec.Members, v1alpha1.Member{
				Email: fmt.Sprintf("employee-%d@acme.example", n), User: fmt.Sprintf("employee-%d", n), Tier: "empleado", Groups: []v1alpha1.GivenGroup{"research"},
			})
		}
		before := time.Now()
		create(ctx, m)
		Eventually(ctx, members(ctx, m)).WithPolling(5 * time.Millisecond).Should(HaveLen(1000))
		took := time.Since(before)
		GinkgoWriter.Printf("a thousand members were in force after %v\n", took)
		expectProgrammed(ctx, m)
		Expect(m.Status.Members).To(BeEquivalentTo(1000))
		// On a machine that does nothing else it takes a tenth of that.
		Expect(took).To(BeNumerically("<", 10*time.Second))
	})

	It("tells a namespace that may name nobody as much as if there were no IdentityProvider", func(ctx SpecContext) {
		acme, evil := newNamespace(ctx), newNamespace(ctx)
		create(ctx, objects.TenantBudget(evil))
		provider := inline(acme)
		create(ctx, provider)
		there, nowhere := objects.Membership(evil, "a", provider), objects.Membership(evil, "b", objects.IdentityProvider(""))
		create(ctx, there)
		create(ctx, nowhere)
		expectCondition(ctx, there, v1alpha1.ConditionAccepted, "False IdentityProviderNotFound")
		expectCondition(ctx, nowhere, v1alpha1.ConditionAccepted, "False IdentityProviderNotFound")
		Expect(message(there, v1alpha1.ConditionAccepted)).To(Equal(strings.ReplaceAll(
			message(nowhere, v1alpha1.ConditionAccepted), nowhere.Spec.IdentityProviderRef.Name, provider.Name)))
	})

	DescribeTable("names nobody whom its namespace may not",
		func(ctx SpecContext, escape func(evil string) v1alpha1.Member) {
			evil := newNamespace(ctx)
			create(ctx, objects.TenantBudget(evil))
			provider := inline()
			provider.Spec.AllowedMemberships = []v1alpha1.AllowedMemberships{
				{Namespaces: []string{"acme"}, Subjects: []string{"acme|*"}, Emails: []string{"*@acme.example"}, Groups: []string{"acme/*"}},
				{
					Namespaces: []string{evil}, Subjects: []string{"evil|*", "system:serviceaccount:{namespace}:*"},
					Emails: []string{"*@evil.example"}, Groups: []string{"evil/*"},
				},
			}
			create(ctx, provider)
			m := objects.Membership(evil, "staff", provider)
			m.Spec.Members = []v1alpha1.Member{{Subject: "evil|mallory"}, escape(evil)}
			if err := api.Create(ctx, m); err != nil {
				Expect(err).To(Satisfy(apierrors.IsInvalid))
				return
			}
			DeferCleanup(func(ctx SpecContext) { remove(ctx, m) })
			expectCondition(ctx, m, v1alpha1.ConditionAccepted, "False MemberNotAllowed")
			Expect(members(ctx, m)()).To(BeEmpty())
		},
		Entry("by the address of another", one(v1alpha1.Member{Email: "ana@acme.example"})),
		Entry("by that in capitals", one(v1alpha1.Member{Email: "ANA@ACME.EXAMPLE"})),
		Entry("by an address with two @", one(v1alpha1.Member{Email: "ana@acme.example@evil.example"})),
		Entry("by an address in a domain below", one(v1alpha1.Member{Email: "ana@acme.example.evil.example"})),
		Entry("by an address in a domain that ends the same", one(v1alpha1.Member{Email: "ana@notevil.example"})),
		Entry("by an address with a letter that looks like another", one(v1alpha1.Member{Email: "\u212aate@acme.example"})),
		Entry("by all addresses", one(v1alpha1.Member{Email: "*"})),
		Entry("by all addresses of a domain", one(v1alpha1.Member{Email: "*@acme.example"})),
		Entry("by two addresses", one(v1alpha1.Member{Email: "mallory@evil.example,ana@acme.example"})),
		Entry("by an address with a newline", one(v1alpha1.Member{Email: "mallory@evil.example\nana@acme.example"})),
		Entry("by the subject of another", one(v1alpha1.Member{Subject: "acme|ana"})),
		Entry("by all subjects", one(v1alpha1.Member{Subject: "*"})),
		Entry("by a subject with a blank before it", one(v1alpha1.Member{Subject: " evil|mallory"})),
		Entry("by a subject in capitals", one(v1alpha1.Member{Subject: "EVIL|mallory"})),
		Entry("by a subject that is an address", one(v1alpha1.Member{Subject: "ana@evil.example"})),
		Entry("by the group of another", one(v1alpha1.Member{Group: "acme/admins"})),
		Entry("by all groups", one(v1alpha1.Member{Group: "*"})),
		Entry("by a group that is a subject", one(v1alpha1.Member{Group: "evil|mallory"})),
		Entry("by a subject and an address", one(v1alpha1.Member{Subject: "evil|m", Email: "ana@acme.example"})),
		Entry("by the ServiceAccount of another namespace", one(v1alpha1.Member{Subject: "system:serviceaccount:acme:reports"})),
		Entry("by the ServiceAccount of a namespace whose name begins the same", func(evil string) v1alpha1.Member {
			return v1alpha1.Member{Subject: "system:serviceaccount:" + evil + "-2:reports"}
		}),
		Entry("by the pattern itself", one(v1alpha1.Member{Subject: "system:serviceaccount:{namespace}:reports"})),
	)

	It("does not charge a tenant that its budget may not name, nor change its IdentityProvider", func(ctx SpecContext) {
		startEnforcer(true)
		evil := newNamespace(ctx, v1alpha1.DelegatedLabel)
		budget, provider, other := objects.TenantBudget(evil), inline(evil), inline(evil)
		budget.Spec.Tenant = evil + "-other"
		m := objects.Membership(evil, "staff", provider)
		for _, o := range []object{budget, provider, other, m} {
			create(ctx, o)
		}
		expectProgrammed(ctx, m)
		Expect(members(ctx, m)()).To(Equal([]string{evil + "-other: ana"}))
		m.Spec.IdentityProviderRef.Name = other.Name
		Expect(api.Update(ctx, m)).To(MatchError(ContainSubstring("spec.identityProviderRef: Invalid value")))
		Expect(get(ctx, m)).To(Succeed())
		label(ctx, evil, nil)
		expectCondition(ctx, m, v1alpha1.ConditionAccepted, "False TargetNotAccepted")
		Eventually(ctx, members(ctx, m)).Should(BeEmpty())
	})

	It("does not charge a tenant whose budget it names no longer", func(ctx SpecContext) {
		startEnforcer(true)
		evil := newNamespace(ctx, v1alpha1.DelegatedLabel)
		budget, provider, waiting := objects.TenantBudget(evil), inline(evil), orphan(evil)
		budget.Spec.Tenant = evil + "-other"
		m := objects.Membership(evil, "staff", provider)
		for _, o := range []object{budget, provider, m, waiting} {
			create(ctx, o)
		}
		expectProgrammed(ctx, m)
		update(ctx, m, func(m *v1alpha1.Membership) { m.Spec.BudgetRef.Name = waiting.Name })
		expectCondition(ctx, m, v1alpha1.ConditionAccepted, "False TargetNotAccepted")
		Eventually(ctx, members(ctx, m)).Should(BeEmpty())
		expectHeld(ctx, m, false)
	})
})

// one is a member whatever the namespace is.
func one(m v1alpha1.Member) func(string) v1alpha1.Member {
	return func(string) v1alpha1.Member { return m }
}
