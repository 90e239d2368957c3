package setup_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// vanish deletes an object without letting anybody withdraw what it has in force.
func vanish[T client.Object](ctx context.Context, object T) {
	GinkgoHelper()
	update(ctx, object, func(o T) { o.SetFinalizers(nil) })
	Expect(api.Delete(ctx, object)).To(Succeed())
	Expect(get(ctx, object)).To(Satisfy(apierrors.IsNotFound), "it was held back")
}

var _ = Describe("What an object has in force that vanishes without its finalizer", func() {
	var (
		tenant   string
		budget   *v1alpha1.TenantBudget
		key      *v1alpha1.APIKey
		provider *v1alpha1.ModelProvider
		grant    *v1alpha1.BudgetGrant
		policy   *v1alpha1.RateLimitPolicy
		signIn   *v1alpha1.IdentityProvider
		people   *v1alpha1.Membership
		stays    *v1alpha1.APIKey
	)
	// inForce are all of one tenant, and a key of another, which stays.
	inForce := func(ctx context.Context) {
		GinkgoHelper()
		startEnforcer(true)
		tenant = newNamespace(ctx)
		budget, key, provider = objects.TenantBudget(tenant), objects.APIKey(tenant, "key"), objects.ModelProvider("model-"+tenant)
		grant, policy = newGrant(tenant, "grant", time.Hour), objects.RateLimitPolicy(tenant, "policy")
		signIn = inline(tenant)
		people = objects.Membership(tenant, "people", signIn)
		other := objects.TenantBudget(newNamespace(ctx))
		stays = objects.APIKey(other.Namespace, "key")
		all := []object{budget, key, provider, grant, policy, signIn, people, other, stays}
		for _, o := range all {
			create(ctx, o)
		}
		for _, o := range all {
			expectProgrammed(ctx, o)
		}
		Eventually(ctx, rows(ctx, openLimits, tenant)).ShouldNot(BeEmpty())
		Eventually(ctx, rows(ctx, grantRows, tenant)).Should(ConsistOf(ContainSubstring("true")))
	}
	isWithdrawn := func(ctx context.Context) {
		GinkgoHelper()
		for _, id := range []string{
			"credential/" + key.Namespace + "/" + key.Spec.SHA256, "provider/" + provider.Name, "tenant/" + tenant,
			"identity/" + signIn.Name, "members/" + people.Namespace + "/" + people.Name,
		} {
			Eventually(ctx, func() string { return stored(ctx, id) }).Should(BeEmpty(), id)
		}
		Eventually(ctx, rows(ctx, openLimits, tenant)).Should(BeEmpty())
		Eventually(ctx, rows(ctx, grantRows, tenant)).Should(ConsistOf(ContainSubstring("false")))
		for _, o := range []object{budget, key, provider, grant, signIn, people} {
			Eventually(ctx, eventsOf(ctx, o, v1alpha1.EventOrphanWithdrawn)).Should(HaveLen(1), o.GetName())
		}
		Expect(stored(ctx, "credential/"+stays.Namespace+"/"+stays.Spec.SHA256)).NotTo(BeEmpty())
		Expect(eventsOf(ctx, stays, v1alpha1.EventOrphanWithdrawn)()).To(BeEmpty())
	}

	It("is withdrawn at once", func(ctx SpecContext) {
		inForce(ctx)
		vanish(ctx, key)
		vanish(ctx, provider)
		vanish(ctx, grant)
		vanish(ctx, policy)
		vanish(ctx, people)
		Eventually(ctx, members(ctx, people)).Should(BeEmpty())
		vanish(ctx, signIn)
		Eventually(ctx, func() string { return stored(ctx, "tenant/"+tenant) }).ShouldNot(Or(ContainSubstring("grant"), ContainSubstring("policy")))
		vanish(ctx, budget)
		isWithdrawn(ctx)
	})

	It("is withdrawn as soon as a manager leads, if none ran", func(ctx SpecContext) {
		inForce(ctx)
		stopManager()
		for _, o := range []object{key, provider, grant, policy, people, signIn, budget} {
			vanish(ctx, o)
		}
		stopManager = startManager()
		isWithdrawn(ctx)
	})

	It("is withdrawn for good, whoever has its name next", func(ctx SpecContext) {
		inForce(ctx)
		stopManager()
		vanish(ctx, key)
		next := objects.APIKey(tenant, "another")
		next.Name = key.Name
		create(ctx, next)
		stopManager = startManager()
		Eventually(ctx, func() string { return stored(ctx, "credential/"+key.Namespace+"/"+key.Spec.SHA256) }).Should(BeEmpty())
		expectProgrammed(ctx, next)
	})
})
