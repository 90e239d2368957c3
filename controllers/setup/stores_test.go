package setup_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	applyv1alpha1 "github.com/bursar-dev/bursar/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/apply"
	"github.com/bursar-dev/bursar/hack/parts/redis"
)

var _ = Describe("Without Redis", func() {
	It("claims nothing, and goes on when it is back", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget, policy, key, provider := newBudget(tenant), newPolicy(tenant, "policy"), newKey(tenant, "key"), newProvider("model")
		all := []object{budget, policy, key, provider}
		for _, o := range all {
			create(ctx, o)
		}
		for _, o := range all {
			expectProgrammed(ctx, o)
		}
		spend(ctx, tenant, period.Day, 4*money.USD, 0, true)
		Eventually(ctx, eventsOf(ctx, budget, "BudgetWarning")).Should(HaveLen(1))

		Expect(redisServer.Stop()).To(Succeed())
		for _, o := range all {
			Eventually(ctx, condition(ctx, o, v1alpha1.ConditionProgrammed)).WithTimeout(20*time.Second).
				Should(Equal("Unknown StoreUnavailable"), o.GetName())
			Expect(condition(ctx, o, v1alpha1.ConditionReady)()).To(Equal("Unknown NotEnforced"))
		}
		Expect(condition(ctx, budget, v1alpha1.ConditionBreakerOpen)()).To(Equal("Unknown Unknown"))
		Expect(budget.Status.Limits[0].Spent).To(Equal("4.00"), "what was last known stays")

		restarted, err := redis.Start(ctx, redis.Options{Dir: redisDir, Port: redisServer.Port, AppendOnly: true})
		Expect(err).NotTo(HaveOccurred())
		redisServer = restarted
		for _, o := range all {
			Eventually(ctx, condition(ctx, o, v1alpha1.ConditionProgrammed)).WithTimeout(20*time.Second).
				Should(Equal("True Programmed"), o.GetName())
		}
		By("hearing from it again, long before the next poll")
		spend(ctx, tenant, period.Day, 450*money.Cent, 0, true)
		Eventually(ctx, condition(ctx, budget, v1alpha1.ConditionBreakerOpen)).WithTimeout(3 * time.Second).
			Should(Equal("True TripRungReached"))
		Expect(eventsOf(ctx, budget, "BudgetWarning")()).To(HaveLen(1), "the rung was news once")
	})

	It("programs everything anew into one that has forgotten all", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget, policy, key, provider := newBudget(tenant), newPolicy(tenant, "policy"), newKey(tenant, "key"), newProvider("model")
		all := []object{budget, policy, key, provider}
		for _, o := range all {
			create(ctx, o)
		}
		for _, o := range all {
			expectProgrammed(ctx, o)
		}
		Expect(redisClient.FlushAll(ctx).Err()).To(Succeed())
		for _, document := range []string{"tenant/" + tenant, "credential/" + key.Spec.SHA256, "provider/" + provider.Name} {
			Eventually(ctx, func() string { return stored(ctx, document) }).ShouldNot(BeEmpty(), document)
		}
		for _, o := range all {
			expectProgrammed(ctx, o)
		}
	})
})

var _ = Describe("A second manager", func() {
	It("takes over at once from one that stops", func(ctx SpecContext) {
		startEnforcer(true)
		budget := newBudget(newNamespace(ctx))
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		version := budget.ResourceVersion

		stopManager()
		begin := time.Now()
		stopManager = startManager()
		Expect(time.Since(begin)).To(BeNumerically("<", 4*time.Second))

		By("finding everything as it should be")
		late := newBudget(newNamespace(ctx))
		create(ctx, late)
		expectProgrammed(ctx, late)
		Expect(get(ctx, budget)).To(Succeed())
		Expect(budget.ResourceVersion).To(Equal(version))
		Expect(eventsOf(ctx, budget, "Programmed")()).To(HaveLen(1))
	})
})

var _ = Describe("A status", func() {
	It("is not written over one that has not been seen", func(ctx SpecContext) {
		budget := newBudget(newNamespace(ctx))
		create(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionAccepted, "True Accepted")
		stale := budget.ResourceVersion
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "6.00" })

		status, err := apply.Configuration[applyv1alpha1.TenantBudgetStatusApplyConfiguration](budget.Status)
		Expect(err).NotTo(HaveOccurred())
		err = apply.Status(ctx, api, applyv1alpha1.TenantBudget(budget.Name, budget.Namespace).
			WithResourceVersion(stale).WithStatus(status))
		Expect(err).To(Satisfy(apierrors.IsConflict))
	})
})
