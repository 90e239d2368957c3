package setup_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// ratesOf are the names of the rate limits in a tenant's document.
func ratesOf(ctx context.Context, tenant string) func() []string {
	return func() []string {
		_, body, _ := strings.Cut(stored(ctx, "tenant/"+tenant), " ")
		var document limiterv1.Tenant
		if err := json.Unmarshal([]byte(body), &document); err != nil {
			return []string{err.Error()}
		}
		return namesOf(document.Rates)
	}
}

func namesOf(rates []limiterv1.RateLimit) []string {
	names := []string{}
	for _, rate := range rates {
		names = append(names, rate.Name)
	}
	return names
}

var _ = Describe("A RateLimitPolicy", func() {
	It("is programmed with its budget, whichever comes first", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		early := objects.RateLimitPolicy(tenant, "early")
		create(ctx, early)
		expectCondition(ctx, early, v1alpha1.ConditionAccepted, "False TargetNotFound")
		Expect(message(early, v1alpha1.ConditionAccepted)).To(Equal(`spec.targetRef.name: Not found: "budget": namespace ` + tenant + ` has no TenantBudget of this name`))
		expectCondition(ctx, early, v1alpha1.ConditionProgrammed, "False NotAccepted")

		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		expectProgrammed(ctx, early)
		expectCondition(ctx, early, v1alpha1.ConditionReady, "True Enforced")

		late := objects.RateLimitPolicy(tenant, "also-late")
		create(ctx, late)
		expectProgrammed(ctx, late)
		Expect(ratesOf(ctx, tenant)()).To(Equal([]string{"also-late/all", "early/all"}))

		By("changing")
		update(ctx, early, func(p *v1alpha1.RateLimitPolicy) { p.Spec.Limits[0].Name = "everybody" })
		expectProgrammed(ctx, early)
		Expect(ratesOf(ctx, tenant)()).To(Equal([]string{"also-late/all", "early/everybody"}))
		expectProgrammed(ctx, budget)

		By("going")
		remove(ctx, late)
		Eventually(ctx, ratesOf(ctx, tenant)).Should(Equal([]string{"early/everybody"}))

		By("turning to another budget")
		update(ctx, early, func(p *v1alpha1.RateLimitPolicy) { p.Spec.TargetRef.Name = "another" })
		Eventually(ctx, ratesOf(ctx, tenant)).Should(BeEmpty())
		expectCondition(ctx, early, v1alpha1.ConditionAccepted, "False TargetNotFound")
	})

	It("is as good as its budget", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget, policy := objects.TenantBudget(tenant), objects.RateLimitPolicy(tenant, "policy")
		create(ctx, budget)
		create(ctx, policy)
		expectProgrammed(ctx, policy)

		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.TimeZone = "Mars/Olympus_Mons" })
		expectCondition(ctx, policy, v1alpha1.ConditionAccepted, "False TargetNotAccepted")
		Expect(ratesOf(ctx, tenant)()).To(Equal([]string{"policy/all"}), "the last good configuration stays in force")
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.TimeZone = "UTC" })
		expectProgrammed(ctx, policy)

		remove(ctx, budget)
		expectCondition(ctx, policy, v1alpha1.ConditionAccepted, "False TargetNotFound")
	})

	It("is left out, and says so, where older ones have as many limits as a tenant may", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		create(ctx, objects.TenantBudget(tenant))
		var policies []*v1alpha1.RateLimitPolicy
		for i := range limiterv1.MaxRates/32 + 1 {
			policy := objects.RateLimitPolicy(tenant, fmt.Sprint("policy-", i)) // creation times are whole seconds: the name breaks a tie
			for len(policy.Spec.Limits) < 32 {
				limit := policy.Spec.Limits[0]
				limit.Name = fmt.Sprint("limit-", len(policy.Spec.Limits))
				policy.Spec.Limits = append(policy.Spec.Limits, limit)
			}
			create(ctx, policy)
			policies = append(policies, policy)
		}
		last := policies[len(policies)-1]
		expectCondition(ctx, last, v1alpha1.ConditionProgrammed, "False TooManyLimits")
		Expect(message(last, v1alpha1.ConditionProgrammed)).To(ContainSubstring(tenant + "/budget"))
		for _, policy := range policies[:len(policies)-1] {
			expectProgrammed(ctx, policy)
		}
		Expect(ratesOf(ctx, tenant)()).To(HaveLen(limiterv1.MaxRates))

		By("an older one going")
		remove(ctx, policies[0])
		expectProgrammed(ctx, last)
	})

	It("does not reach beyond its namespace", func(ctx SpecContext) {
		tenant := newNamespace(ctx)
		create(ctx, objects.TenantBudget(tenant))
		Eventually(ctx, ratesOf(ctx, tenant)).Should(BeEmpty())
		stranger := objects.RateLimitPolicy(newNamespace(ctx), "policy")
		create(ctx, stranger)
		expectCondition(ctx, stranger, v1alpha1.ConditionAccepted, "False TargetNotFound")
		Expect(ratesOf(ctx, tenant)()).To(BeEmpty())
	})
})
