package setup_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

var _ = Describe("A probe", func() {
	It("finds out an enforcer that admits calls by an older document than it says", func(ctx SpecContext) {
		e := startEnforcer(true)
		tenant := newNamespace(ctx)
		budget, policy := objects.TenantBudget(tenant), objects.RateLimitPolicy(tenant, "policy")
		create(ctx, budget)
		create(ctx, policy)
		expectProgrammed(ctx, budget)
		expectProgrammed(ctx, policy)

		By("the enforcer keeping an old limit")
		e.admits(func(d *limiterv1.Tenant) { d.Money[0].Amount = 5 * money.USD })
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "4.00" })
		expectCondition(ctx, budget, v1alpha1.ConditionProgrammed, "False ProbeFailed")
		Expect(message(budget, v1alpha1.ConditionProgrammed)).To(SatisfyAll(
			HavePrefix("1 of 1 live enforcers run revision "), ContainSubstring("through enforcer a test"),
			HaveSuffix("found: limit daily of tenant "+tenant+": 5.00 USD, want 4.00")))
		Expect(condition(ctx, budget, v1alpha1.ConditionReady)()).To(Equal("False NotEnforced"))
		Expect(condition(ctx, budget, v1alpha1.ConditionReconciling)()).To(Equal("True ProbeFailed"))
		// The policy is in the same document, which is not what calls are admitted by.
		expectCondition(ctx, policy, v1alpha1.ConditionProgrammed, "False ProbeFailed")

		By("the enforcer being put right: it is asked again")
		e.admits(nil)
		expectProgrammed(ctx, budget)
		expectProgrammed(ctx, policy)
	})

	It("waits for an answer, and is not made again for what was proven", func(ctx SpecContext) {
		e := startEnforcer(true)
		e.answersProbes(false)
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionProgrammed, "False ProbePending")
		Consistently(ctx, condition(ctx, budget, v1alpha1.ConditionProgrammed)).
			WithTimeout(500 * time.Millisecond).Should(Equal("False ProbePending"))
		e.answersProbes(true)
		expectProgrammed(ctx, budget)

		By("another enforcer coming, and the manager starting anew")
		e.answersProbes(false)
		late := startEnforcer(false)
		late.answersProbes(false)
		expectCondition(ctx, budget, v1alpha1.ConditionProgrammed, "False EnforcersPending")
		late.runs(ctx, budget.Status.Revision)
		expectProgrammed(ctx, budget)
		stopManager()
		stopManager = startManager()
		Consistently(ctx, condition(ctx, budget, v1alpha1.ConditionProgrammed)).
			WithTimeout(500 * time.Millisecond).Should(Equal("True Programmed"))

		By("the budget going")
		remove(ctx, budget)
		Eventually(ctx, func() bool { return redisClient.HExists(ctx, limiterv1.ProbeAnswersKey, tenant).Val() }).Should(BeFalse())
	})

	It("is not lost to enforcers that come and go: no condition is written anew", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		watching, err := client.NewWithWatch(asManager, client.Options{Scheme: api.Scheme()})
		Expect(err).NotTo(HaveOccurred())
		watched, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		seen, err := watching.Watch(watched, &v1alpha1.TenantBudgetList{}, client.InNamespace(tenant))
		Expect(err).NotTo(HaveOccurred())
		defer seen.Stop()
		expectTotal := func(want int32) {
			GinkgoHelper()
			for event := range seen.ResultChan() {
				status := event.Object.(*v1alpha1.TenantBudget).Status
				found := meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionProgrammed)
				Expect(found).To(HaveField("Reason", v1alpha1.ReasonProgrammed))
				if status.Enforcers.Total == want {
					return
				}
			}
			Fail(fmt.Sprintf("never %d enforcers in all", want))
		}
		total := budget.Status.Enforcers.Total
		late := startEnforcer(true)
		expectTotal(total + 1)
		late.leave()
		expectTotal(total)
	})

	It("of a parent is made of those below it", func(ctx SpecContext) {
		e := startEnforcer(true)
		company := objects.TenantBudget(newNamespace(ctx))
		team := newChild(ctx, company)
		create(ctx, company)
		create(ctx, team)
		expectProgrammed(ctx, company)
		expectProgrammed(ctx, team)
		e.admits(func(d *limiterv1.Tenant) {
			if len(d.Ancestors) > 0 {
				d.Ancestors[0].Money[0].Amount = 5 * money.USD
			}
		})
		update(ctx, company, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "3.00" })
		expectCondition(ctx, company, v1alpha1.ConditionProgrammed, "False ProbeFailed")
		Expect(message(company, v1alpha1.ConditionProgrammed)).To(ContainSubstring("a probe of tenant " + team.Spec.Tenant))
		e.admits(nil)
		expectProgrammed(ctx, company)
		expectProgrammed(ctx, team)
	})
})
