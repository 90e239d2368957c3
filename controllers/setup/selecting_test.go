package setup_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// newSelecting is a policy for the budgets with a label that no other test knows.
func newSelecting(namespace, name string, from v1alpha1.Namespaces) *v1alpha1.RateLimitPolicy {
	policy := objects.RateLimitPolicy(namespace, name)
	policy.Spec.TargetRef = nil
	policy.Spec.TargetSelector = &v1alpha1.TargetSelector{MatchLabels: map[string]string{"plan": namespace}, Namespaces: from}
	return policy
}

// selectable makes the policy select a budget.
func selectable(budget *v1alpha1.TenantBudget, policy *v1alpha1.RateLimitPolicy) *v1alpha1.TenantBudget {
	budget.Labels = policy.Spec.TargetSelector.MatchLabels
	return budget
}

// targets is how many targets the policy's status says that it has.
func targets(ctx context.Context, policy *v1alpha1.RateLimitPolicy) func() int32 {
	return func() int32 {
		if err := get(ctx, policy); err != nil {
			return -1
		}
		return ptr.Deref(policy.Status.Targets, -1)
	}
}

var fromAll = v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}

var _ = Describe("A RateLimitPolicy with a targetSelector", func() {
	It("is of the budgets that have its labels, as these come and go", func(ctx SpecContext) {
		startEnforcer(true)
		platform := newNamespace(ctx, v1alpha1.DelegatedLabel)
		policy := newSelecting(platform, "plan", fromAll)
		create(ctx, policy)
		expectCondition(ctx, policy, v1alpha1.ConditionAccepted, "False TargetNotFound")
		Expect(message(policy, v1alpha1.ConditionAccepted)).To(HavePrefix(
			`spec.targetSelector: Invalid value: no TenantBudget in the selected namespaces has these labels`))
		Expect(condition(ctx, policy, v1alpha1.ConditionStalled)()).To(Equal("False Reconciling"), "some may come")

		By("two that come, and one that has not the labels")
		one, other, stranger := newNamespace(ctx), newNamespace(ctx), newNamespace(ctx)
		first := selectable(objects.TenantBudget(one), policy)
		create(ctx, first)
		create(ctx, objects.TenantBudget(stranger))
		expectProgrammed(ctx, policy)
		create(ctx, selectable(objects.TenantBudget(other), policy))
		Eventually(ctx, targets(ctx, policy)).Should(BeEquivalentTo(2))
		expectProgrammed(ctx, policy)
		name := platform + "/plan/all"
		Eventually(ctx, ratesOf(ctx, one)).Should(Equal([]string{name}))
		Eventually(ctx, ratesOf(ctx, other)).Should(Equal([]string{name}))

		By("a label that goes, and one that comes")
		update(ctx, first, func(b *v1alpha1.TenantBudget) { b.Labels = nil })
		Eventually(ctx, ratesOf(ctx, one)).Should(BeEmpty())
		Eventually(ctx, targets(ctx, policy)).Should(BeEquivalentTo(1))
		update(ctx, objects.TenantBudget(stranger), func(b *v1alpha1.TenantBudget) { selectable(b, policy) })
		Eventually(ctx, ratesOf(ctx, stranger)).Should(Equal([]string{name}))
		Eventually(ctx, targets(ctx, policy)).Should(BeEquivalentTo(2))
		expectProgrammed(ctx, policy)

		By("the policy changing")
		update(ctx, policy, func(p *v1alpha1.RateLimitPolicy) { p.Spec.Limits[0].Name = "everybody" })
		expectProgrammed(ctx, policy)
		Expect(ratesOf(ctx, other)()).To(Equal([]string{platform + "/plan/everybody"}))
		Expect(ratesOf(ctx, stranger)()).To(Equal([]string{platform + "/plan/everybody"}))

		By("a target going, and the policy naming one of its own namespace")
		remove(ctx, objects.TenantBudget(other))
		Eventually(ctx, targets(ctx, policy)).Should(BeEquivalentTo(1))
		create(ctx, objects.TenantBudget(platform))
		update(ctx, policy, func(p *v1alpha1.RateLimitPolicy) {
			p.Spec.TargetRef, p.Spec.TargetSelector = &v1alpha1.TargetRef{Name: "budget"}, nil
		})
		expectProgrammed(ctx, policy)
		Expect(ratesOf(ctx, platform)()).To(Equal([]string{"plan/everybody"}))
		Eventually(ctx, ratesOf(ctx, stranger)).Should(BeEmpty())

		By("the policy going")
		remove(ctx, policy)
		Eventually(ctx, ratesOf(ctx, platform)).Should(BeEmpty())
	})

	It("reaches beyond its namespace only where that is delegated, and follows the labels of namespaces", func(ctx SpecContext) {
		startEnforcer(true)
		platform, tenant := newNamespace(ctx), newNamespace(ctx)
		policy := newSelecting(platform, "plan", v1alpha1.Namespaces{
			From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.LabelSelector{MatchLabels: map[string]string{"of": platform}}})
		create(ctx, selectable(objects.TenantBudget(tenant), policy))
		create(ctx, selectable(objects.TenantBudget(platform), policy))
		create(ctx, policy)
		expectCondition(ctx, policy, v1alpha1.ConditionAccepted, "False NamespaceNotDelegated")
		Expect(message(policy, v1alpha1.ConditionAccepted)).To(Equal(fmt.Sprintf(
			"spec.targetSelector.namespaces.from: Forbidden: must be Same, unless the namespace, %q, is labelled %s=true",
			platform, v1alpha1.DelegatedLabel)))
		Expect(ratesOf(ctx, platform)()).To(BeEmpty(), "not even there")

		By("being delegated")
		label := func(name, key, value string) {
			GinkgoHelper()
			update(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, func(n *corev1.Namespace) {
				if n.Labels[key] = value; value == "" {
					delete(n.Labels, key)
				}
			})
		}
		label(platform, v1alpha1.DelegatedLabel, "true")
		expectProgrammed(ctx, policy)
		Eventually(ctx, ratesOf(ctx, platform)).Should(Equal([]string{"plan/all"}))
		Expect(ratesOf(ctx, tenant)()).To(BeEmpty())

		By("a namespace that is selected, and not any more")
		label(tenant, "of", platform)
		Eventually(ctx, ratesOf(ctx, tenant)).Should(Equal([]string{platform + "/plan/all"}))
		Eventually(ctx, targets(ctx, policy)).Should(BeEquivalentTo(2))
		label(tenant, "of", "")
		Eventually(ctx, ratesOf(ctx, tenant)).Should(BeEmpty())
		Eventually(ctx, targets(ctx, policy)).Should(BeEquivalentTo(1))

		By("not being delegated any more")
		label(tenant, "of", platform)
		Eventually(ctx, ratesOf(ctx, tenant)).ShouldNot(BeEmpty())
		label(platform, v1alpha1.DelegatedLabel, "")
		Eventually(ctx, ratesOf(ctx, tenant)).Should(BeEmpty())
		expectCondition(ctx, policy, v1alpha1.ConditionAccepted, "False NamespaceNotDelegated")
	})

	It("is enforced beside another of the same name", func(ctx SpecContext) {
		startEnforcer(true)
		platform, tenant := newNamespace(ctx, v1alpha1.DelegatedLabel), newNamespace(ctx)
		theirs, own := newSelecting(platform, "policy", fromAll), objects.RateLimitPolicy(tenant, "policy")
		create(ctx, selectable(objects.TenantBudget(tenant), theirs))
		create(ctx, theirs)
		create(ctx, own)
		expectProgrammed(ctx, theirs)
		expectProgrammed(ctx, own)
		Expect(ratesOf(ctx, tenant)()).To(Equal([]string{"policy/all", platform + "/policy/all"}))
	})

	It("does not depend on those of its targets that are not accepted", func(ctx SpecContext) {
		startEnforcer(true)
		platform, good, bad := newNamespace(ctx, v1alpha1.DelegatedLabel), newNamespace(ctx), newNamespace(ctx)
		policy := newSelecting(platform, "plan", fromAll)
		broken := selectable(objects.TenantBudget(bad), policy)
		broken.Spec.TimeZone = "Mars/Olympus_Mons"
		create(ctx, broken)
		create(ctx, policy)
		expectCondition(ctx, policy, v1alpha1.ConditionAccepted, "False TargetNotAccepted")
		create(ctx, selectable(objects.TenantBudget(good), policy))
		expectProgrammed(ctx, policy)
		Expect(message(policy, v1alpha1.ConditionAccepted)).To(HaveSuffix("keep their last accepted configuration: " + bad + "/budget"))
		Expect(targets(ctx, policy)()).To(BeEquivalentTo(1))
		update(ctx, broken, func(b *v1alpha1.TenantBudget) { b.Spec.TimeZone = "UTC" })
		Eventually(ctx, targets(ctx, policy)).Should(BeEquivalentTo(2))
		expectProgrammed(ctx, policy)
	})

	It("is inherited from a parent that it selects", func(ctx SpecContext) {
		startEnforcer(true)
		platform := newNamespace(ctx, v1alpha1.DelegatedLabel)
		company := objects.TenantBudget(newNamespace(ctx))
		team := newChild(ctx, company)
		policy := newSelecting(platform, "plan", fromAll)
		policy.Spec.Limits = append(policy.Spec.Limits, v1alpha1.RateLimit{
			Name: "together", Per: v1alpha1.ScopeTenant, Requests: ptr.To[int64](100), Window: "1m"})
		create(ctx, selectable(company, policy))
		create(ctx, team)
		create(ctx, policy)
		expectProgrammed(ctx, policy)
		name := platform + "/plan/together"
		Eventually(ctx, func() []string { return namesOf(documentOf(ctx, team).Ancestors[0].Rates) }).Should(Equal([]string{name}))
		Expect(ratesOf(ctx, team.Spec.Tenant)()).To(BeEmpty())

		By("the child being selected, too")
		update(ctx, team, func(b *v1alpha1.TenantBudget) { selectable(b, policy) })
		Eventually(ctx, ratesOf(ctx, team.Spec.Tenant)).Should(Equal([]string{platform + "/plan/all", name}))
		Eventually(ctx, targets(ctx, policy)).Should(BeEquivalentTo(2))
		update(ctx, policy, func(p *v1alpha1.RateLimitPolicy) { p.Spec.Limits = p.Spec.Limits[1:] })
		expectProgrammed(ctx, policy)
		Expect(ratesOf(ctx, team.Spec.Tenant)()).To(Equal([]string{name}))

		By("the parent not being selected any more")
		update(ctx, company, func(b *v1alpha1.TenantBudget) { b.Labels = nil })
		Eventually(ctx, func() []string { return namesOf(documentOf(ctx, team).Ancestors[0].Rates) }).Should(BeEmpty())
		Expect(ratesOf(ctx, team.Spec.Tenant)()).To(Equal([]string{name}))
	})

	It("leaves a tenant alone that has as many limits of others as it may, and says so", func(ctx SpecContext) {
		startEnforcer(true)
		platform, tenant := newNamespace(ctx, v1alpha1.DelegatedLabel), newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		own := objects.RateLimitPolicy(tenant, "own")
		var policies []*v1alpha1.RateLimitPolicy
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			policy := newSelecting(platform, name, fromAll)
			for i := range 31 {
				more := policy.Spec.Limits[0]
				more.Name = fmt.Sprintf("more-%d", i)
				policy.Spec.Limits = append(policy.Spec.Limits, more)
			}
			policies = append(policies, policy)
		}
		create(ctx, selectable(budget, policies[0]))
		create(ctx, own)
		for _, policy := range policies {
			create(ctx, policy)
		}
		for _, policy := range policies[:4] {
			expectProgrammed(ctx, policy)
		}
		// Policies that were created in the same second come in the order of their names.
		crowdedOut := policies[4]
		expectCondition(ctx, crowdedOut, v1alpha1.ConditionProgrammed, "False TooManyLimits")
		Expect(message(crowdedOut, v1alpha1.ConditionProgrammed)).To(Equal("these limits do not apply to some TenantBudgets, which would have more than 128 limits of policies " +
			"from their own namespace, or from other namespaces; older policies come first: " + tenant + "/budget"))
		expectCondition(ctx, crowdedOut, v1alpha1.ConditionReady, "False NotEnforced")
		expectProgrammed(ctx, budget)
		expectProgrammed(ctx, own)
		Expect(ratesOf(ctx, tenant)()).To(HaveLen(1 + 4*32))

		By("an older one going")
		remove(ctx, policies[0])
		expectProgrammed(ctx, crowdedOut)
	})

	It("waits for a probe of the tenant that has it last", func(ctx SpecContext) {
		e := startEnforcer(true)
		tenant := newNamespace(ctx)
		policy := newSelecting(tenant, "plan", v1alpha1.Namespaces{})
		create(ctx, selectable(objects.TenantBudget(tenant), policy))
		expectProgrammed(ctx, objects.TenantBudget(tenant))
		e.answersProbes(false)
		create(ctx, policy)
		expectCondition(ctx, policy, v1alpha1.ConditionProgrammed, "False ProbePending")
		Expect(message(policy, v1alpha1.ConditionProgrammed)).To(HaveSuffix(
			"; waiting for the answer to a probe of tenant " + tenant + " through one of them"))
		e.answersProbes(true)
		expectProgrammed(ctx, policy)
	})

	It("is told of once, by kubectl and in Events", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		policy := newSelecting(tenant, "plan", v1alpha1.Namespaces{})
		create(ctx, selectable(objects.TenantBudget(tenant), policy))
		expectProgrammed(ctx, objects.TenantBudget(tenant))
		create(ctx, policy)
		expectProgrammed(ctx, policy)
		update(ctx, policy, func(p *v1alpha1.RateLimitPolicy) { p.Spec.Limits[0].Requests = ptr.To[int64](7) })
		expectProgrammed(ctx, policy)
		Eventually(ctx, eventsOf(ctx, policy, v1alpha1.EventProgrammed)).Should(HaveLen(1))
		out := kubectl(ctx, "-n", tenant, "get", "ratelimitpolicies")
		Expect(strings.Fields(out)).To(ContainElements("TARGETS", "1"))
	})

	It("names or selects, one of the two", func(ctx SpecContext) {
		both := newSelecting(newNamespace(ctx), "both", v1alpha1.Namespaces{})
		both.Spec.TargetRef = &v1alpha1.TargetRef{Name: "budget"}
		Expect(api.Create(ctx, both, client.DryRunAll)).To(MatchError(ContainSubstring("must set exactly one of targetRef")))
	})
})
