package setup_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// spendOf makes the counter of one of the tenant's limits say what was spent, and
// tells the control plane.
func spendOf(ctx context.Context, budget *v1alpha1.TenantBudget, limit limiterv1.MoneyLimit, spent money.Nanos) period.Span {
	GinkgoHelper()
	now, err := redisClient.Time(ctx).Result()
	Expect(err).NotTo(HaveOccurred())
	span := period.Containing(limit.Period, time.UTC, now)
	counter := limiterv1.MoneyCounter{Start: span.Start, End: span.End, Spent: spent}
	key := limiterv1.TenantCountersKey(budget.Spec.Tenant, budget.Spec.Tenant)
	Expect(redisClient.HSet(ctx, key, limiterv1.MoneyField(limit), counter.Encode()).Err()).To(Succeed())
	Expect(redisClient.Publish(ctx, limiterv1.FeedChannel, limiterv1.FeedTenant+" "+budget.Spec.Tenant).Err()).To(Succeed())
	return span
}

// row is the budget as kubectl get shows it, by column.
func row(ctx context.Context, budget *v1alpha1.TenantBudget) func() string {
	return func() string {
		return strings.Join(strings.Fields(kubectl(ctx, "-n", budget.Namespace, "get", "tenantbudget", budget.Name)), " ")
	}
}

var _ = Describe("A breaker that is forced", func() {
	It("is as it is forced, visibly, until that is taken back", func(ctx SpecContext) {
		startEnforcer(true)
		budget := objects.TenantBudget(newNamespace(ctx))
		force := func(state v1alpha1.BreakerState) {
			GinkgoHelper()
			update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Breaker = &v1alpha1.Breaker{Forced: state} })
		}
		create(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "False BelowTripRung")

		By("being forced open")
		force(v1alpha1.BreakerOpen)
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "True Forced")
		Expect(*budget.Status.Breaker).To(SatisfyAll(HaveField("State", v1alpha1.BreakerOpen),
			HaveField("Forced", true), HaveField("Summary", "Open (forced)"), HaveField("ClosesAt", BeNil())))
		Expect(documentOf(ctx, budget).Forced).To(Equal(limiterv1.BreakerOpen))
		Expect(row(ctx, budget)()).To(ContainSubstring(" Open (forced) Enforce "))
		Eventually(ctx, eventsOf(ctx, budget, "BreakerForced")).Should(ConsistOf(
			"Warning: spec.breaker.forced keeps the breaker open: paid calls are refused until it is removed"))
		expectProgrammed(ctx, budget)
		Expect(condition(ctx, budget, v1alpha1.ConditionReady)()).To(Equal("True Enforced"))

		By("reaching the Trip rung meanwhile, which changes nothing")
		spend(ctx, budget.Spec.Tenant, period.Day, 5*money.USD, 0, true)
		Eventually(ctx, firstLimit(ctx, budget)).Should(HaveField("Spent", "5.00"))
		Expect(condition(ctx, budget, v1alpha1.ConditionBreakerOpen)()).To(Equal("True Forced"))

		By("being forced closed")
		force(v1alpha1.BreakerClosed)
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "False Forced")
		Expect(*budget.Status.Breaker).To(SatisfyAll(HaveField("State", v1alpha1.BreakerClosed), HaveField("Summary", "Closed (forced)")))
		Eventually(ctx, eventsOf(ctx, budget, "BreakerForced")).Should(ContainElement(
			"Warning: spec.breaker.forced keeps the breaker closed, whatever is spent"))
		Expect(eventsOf(ctx, budget, "BreakerOpened")()).To(BeEmpty())

		By("being left to itself, when the limit holds it open")
		force("")
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "True TripRungReached")
		Expect(budget.Status.Breaker.Summary).To(Equal("Open"))
		Eventually(ctx, eventsOf(ctx, budget, "BreakerReleased")).Should(ConsistOf(
			HavePrefix("Normal: the breaker is no longer forced Closed")))
		Eventually(ctx, eventsOf(ctx, budget, "BreakerOpened")).Should(HaveLen(1))
	})
})

var _ = Describe("A budget in shadow", func() {
	It("is ready, and says that nothing is refused", func(ctx SpecContext) {
		startEnforcer(true)
		budget := objects.TenantBudget(newNamespace(ctx))
		budget.Spec.Enforcement = v1alpha1.EnforcementShadow
		budget.Spec.AssumedOutputTokens = ptr.To[int64](500)
		create(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionReady, "True Shadow")
		Expect(message(budget, v1alpha1.ConditionReady)).To(ContainSubstring("this budget refuses none"))
		Expect(row(ctx, budget)()).To(ContainSubstring(" Shadow "))
		Expect(documentOf(ctx, budget)).To(SatisfyAll(
			HaveField("Enforcement", limiterv1.Shadow), HaveField("AssumedOutputTokens", int64(500))))

		By("reaching the Trip rung")
		spend(ctx, budget.Spec.Tenant, period.Day, 5*money.USD, 0, true)
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "True TripRungReached")
		Expect(message(budget, v1alpha1.ConditionBreakerOpen)).To(ContainSubstring("paid calls would be refused"))
		Expect(condition(ctx, budget, v1alpha1.ConditionReady)()).To(Equal("True Shadow"))

		By("being enforced")
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Enforcement = v1alpha1.EnforcementEnforce })
		expectCondition(ctx, budget, v1alpha1.ConditionReady, "True Enforced")
		Expect(documentOf(ctx, budget).Enforcement).To(BeEmpty())
		Eventually(ctx, func() string { _ = get(ctx, budget); return message(budget, v1alpha1.ConditionBreakerOpen) }).
			Should(ContainSubstring("paid calls are refused"))
	})
})

var _ = Describe("Limits of every kind", func() {
	It("are shown as far as they are used, and climb the ladder", func(ctx SpecContext) {
		startEnforcer(true)
		budget := objects.TenantBudget(newNamespace(ctx))
		budget.Spec.Limits = []v1alpha1.MoneyLimit{
			{Name: "burst", Period: "1h30m", Amount: "1.00"},
			{Name: "managers", Period: "Day", Amount: "2.00", Tiers: []v1alpha1.Tier{"gerente", "director"}},
			{Name: "dear-models", Period: "Day", Amount: "3.00", Models: []v1alpha1.ModelName{"gpt-4o"}},
		}
		budget.Spec.Ladder = []v1alpha1.Rung{
			{AtPercent: 50, Action: "Downgrade", Models: []v1alpha1.Replacement{{From: "gpt-4o", To: "gpt-4o-mini"}}},
			{AtPercent: 90, Action: "Trip"},
		}
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		Expect(documentOf(ctx, budget).Ladder[0].Models).To(Equal(map[string]string{"gpt-4o": "gpt-4o-mini"}))
		Eventually(ctx, rows(ctx, `SELECT limit_name, period FROM budget_limits WHERE tenant_id = $1 AND valid_to IS NULL ORDER BY 1`,
			budget.Spec.Tenant)).Should(Equal([]string{"burst 1h30m", "dear-models Day", "managers Day"}))

		By("a window, in which calls are downgraded")
		span := spendOf(ctx, budget, limiterv1.MoneyLimit{Period: "1h30m"}, 50*money.Cent)
		Eventually(ctx, eventsOf(ctx, budget, "BudgetDowngraded")).Should(ConsistOf(
			"Warning: limit burst has reached its 50% rung: 0.50 of 1.00 USD spent (50%); cheaper models are called until " + span.End.Format(time.RFC3339)))
		Eventually(ctx, func(g Gomega) { // an Event is there before the status
			g.Expect(get(ctx, budget)).To(Succeed())
			g.Expect(budget.Status.Limits[0]).To(SatisfyAll(HaveField("Name", "burst"), HaveField("Rung", v1alpha1.ActionDowngrade)))
		}).Should(Succeed())
		Expect(budget.Status.Limits[0].ResetsAt.Time).To(BeTemporally("==", span.End))

		By("one that counts some calls, which stops those alone")
		managers := limiterv1.MoneyLimit{Period: period.Day, Selector: limiterv1.Selector{Tiers: []string{"director", "gerente"}}}
		spendOf(ctx, budget, managers, 2*money.USD)
		Eventually(ctx, eventsOf(ctx, budget, "LimitTripped")).Should(ConsistOf(HavePrefix(
			"Warning: limit managers has reached its 90% rung: 2.00 of 2.00 USD spent (100%); paid calls that count against it are refused until ")))
		Eventually(ctx, func(g Gomega) { // an Event is there before the status
			g.Expect(get(ctx, budget)).To(Succeed())
			g.Expect(budget.Status.Limits[1].Spent).To(Equal("2.00"))
			g.Expect(budget.Status.Limits[2].Spent).To(Equal("0.00"))
		}).Should(Succeed())
		Expect(condition(ctx, budget, v1alpha1.ConditionBreakerOpen)()).To(Equal("False BelowTripRung"))

		By("the window, in which the breaker opens")
		spendOf(ctx, budget, limiterv1.MoneyLimit{Period: "1h30m"}, 90*money.Cent)
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "True TripRungReached")
		Expect(budget.Status.Breaker.Limit).To(Equal("burst"))
		Expect(eventsOf(ctx, budget, "LimitTripped")()).To(HaveLen(1))
	})

	It("close the breaker when a window ends", func(ctx SpecContext) {
		budget := objects.TenantBudget(newNamespace(ctx))
		budget.Spec.Limits = []v1alpha1.MoneyLimit{{Name: "burst", Period: "5s", Amount: "1.00"}}
		create(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "False BelowTripRung")
		Eventually(ctx, func() time.Duration {
			return time.Until(period.Containing("5s", time.UTC, time.Now()).End)
		}).Should(BeNumerically(">", 3*time.Second))
		span := spendOf(ctx, budget, limiterv1.MoneyLimit{Period: "5s"}, money.USD)
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "True TripRungReached")
		Eventually(ctx, condition(ctx, budget, v1alpha1.ConditionBreakerOpen)).
			WithTimeout(time.Until(span.End) + 3*time.Second).Should(Equal("False BelowTripRung"))
		Eventually(ctx, eventsOf(ctx, budget, "BreakerClosed")).Should(ConsistOf(ContainSubstring("a new period began")))
	})
})
