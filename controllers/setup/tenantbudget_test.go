package setup_test

import (
	"context"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

const openLimits = `SELECT limit_name, amount_nanos FROM budget_limits
WHERE tenant_id = $1 AND valid_to IS NULL ORDER BY limit_name`

const closedLimits = `SELECT limit_name, amount_nanos FROM budget_limits
WHERE tenant_id = $1 AND valid_to IS NOT NULL ORDER BY limit_name`

var _ = Describe("A TenantBudget", func() {
	It("is renamed without an outage: its successor takes the tenant over, and what was spent", func(ctx SpecContext) {
		startEnforcer(true)
		old := objects.TenantBudget(newNamespace(ctx))
		old.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: "renamed"}
		create(ctx, old)
		expectProgrammed(ctx, old)
		spend(ctx, old.Spec.Tenant, period.Day, money.USD, 0, true)
		id := "tenant/" + old.Spec.Tenant
		uidOf := func() string { return documentOf(ctx, old).Sources[0].UID }
		Expect(uidOf()).To(Equal(string(old.UID)))

		By("applying the successor and pruning the old one at once")
		renamed := objects.TenantBudget(old.Namespace)
		renamed.Name = "renamed"
		create(ctx, renamed)
		Expect(api.Delete(ctx, old)).To(Succeed())
		gone := 0
		Eventually(ctx, func() string {
			if stored(ctx, id) == "" {
				gone++
			}
			return condition(ctx, renamed, v1alpha1.ConditionProgrammed)()
		}).WithPolling(time.Millisecond).Should(Equal("True Programmed"))
		Expect(gone).To(BeZero(), "in between, calls would be refused")
		Eventually(ctx, func() error { return get(ctx, old) }).Should(Satisfy(apierrors.IsNotFound))
		Expect(documentOf(ctx, renamed).Sources[0].UID).To(Equal(string(renamed.UID)))
		Eventually(ctx, func() string {
			Expect(get(ctx, renamed)).To(Succeed())
			if len(renamed.Status.Limits) == 0 {
				return ""
			}
			return renamed.Status.Limits[0].Spent
		}).WithTimeout(30 * time.Second).Should(Equal("1.00"))
	})

	It("keeps its annotations when the manager writes to it", func(ctx SpecContext) {
		startEnforcer(true)
		budget := objects.TenantBudget(newNamespace(ctx))
		budget.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "example.com/team": "search"}
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		Expect(get(ctx, budget)).To(Succeed())
		Expect(budget.Finalizers).NotTo(BeEmpty())
		Expect(budget.Annotations).To(Equal(map[string]string{corev1.LastAppliedConfigAnnotation: "{}", "example.com/team": "search"}))
	})

	It("stays green when it was handed over, until it is deleted", func(ctx SpecContext) {
		startEnforcer(true)
		old := objects.TenantBudget(newNamespace(ctx))
		create(ctx, old)
		expectProgrammed(ctx, old)
		update(ctx, old, func(b *v1alpha1.TenantBudget) { b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: "renamed"} })
		expectProgrammed(ctx, old)
		renamed := objects.TenantBudget(old.Namespace)
		renamed.Name = "renamed"
		create(ctx, renamed)
		expectProgrammed(ctx, renamed)
		expectCondition(ctx, old, v1alpha1.ConditionAccepted, "False HandedOver")
		expectCondition(ctx, old, v1alpha1.ConditionReady, "True HandedOver")
		expectCondition(ctx, old, v1alpha1.ConditionStalled, "False Reconciled")
		remove(ctx, old)
		Consistently(ctx, condition(ctx, renamed, v1alpha1.ConditionProgrammed), "500ms").Should(Equal("True Programmed"))
	})

	It("is programmed when every live enforcer runs it, and not before", func(ctx SpecContext) {
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		create(ctx, budget)

		By("having no enforcer")
		expectCondition(ctx, budget, v1alpha1.ConditionAccepted, "True Accepted")
		expectCondition(ctx, budget, v1alpha1.ConditionProgrammed, "False NoEnforcers")
		expectCondition(ctx, budget, v1alpha1.ConditionReady, "False NotEnforced")
		revision := budget.Status.Revision
		Expect(revision).To(BeNumerically(">", 0))
		Expect(stored(ctx, "tenant/"+tenant)).To(ContainSubstring(`"daily"`))

		By("having two, of which one is behind")
		first, second := startEnforcer(false), startEnforcer(false)
		first.runs(ctx, revision)
		second.runs(ctx, revision-1)
		Eventually(ctx, func() *v1alpha1.EnforcerCount {
			_ = get(ctx, budget)
			return budget.Status.Enforcers
		}).Should(Equal(&v1alpha1.EnforcerCount{Ready: 1, Total: 2}))
		expectCondition(ctx, budget, v1alpha1.ConditionProgrammed, "False EnforcersPending")
		Consistently(ctx, condition(ctx, budget, v1alpha1.ConditionProgrammed)).
			WithTimeout(500 * time.Millisecond).Should(Equal("False EnforcersPending"))

		By("having caught up")
		second.runs(ctx, revision)
		expectProgrammed(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionReady, "True Enforced")
		Expect(eventsOf(ctx, budget, "Accepted")()).To(BeEmpty(), "all goes well with a new object")
		Expect(eventsOf(ctx, budget, "Programmed")()).To(BeEmpty(), "all goes well with a new object")

		By("a new enforcer with an older revision")
		third := startEnforcer(false)
		third.runs(ctx, revision-1)
		expectCondition(ctx, budget, v1alpha1.ConditionProgrammed, "False EnforcersPending")
		third.runs(ctx, revision)
		expectProgrammed(ctx, budget)

		By("an enforcer that runs something of another incarnation")
		stranger := startEnforcer(false)
		stranger.mu.Lock()
		stranger.state.Incarnation, stranger.state.Revision = "another", revision+1000
		stranger.mu.Unlock()
		stranger.beat(ctx, true)
		expectCondition(ctx, budget, v1alpha1.ConditionProgrammed, "False EnforcersPending")
		stranger.leave()
		expectProgrammed(ctx, budget)
	})

	It("loses its enforcers when they die without a word", func(ctx SpecContext) {
		e := startEnforcer(true)
		budget := objects.TenantBudget(newNamespace(ctx))
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		e.die()
		Eventually(ctx, condition(ctx, budget, v1alpha1.ConditionProgrammed)).
			WithTimeout(15 * time.Second).Should(Equal("False NoEnforcers"))
		// The session is dead, but stays in Redis until an enforcer adopts it.
		e.leave()
	})

	It("records its limits, and what they were", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		Eventually(ctx, rows(ctx, openLimits, tenant)).Should(Equal([]string{
			"daily 5000000000", "each-user 500000000", "monthly 100000000000"}))
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "6.00" })
		Eventually(ctx, rows(ctx, openLimits, tenant)).Should(Equal([]string{
			"daily 6000000000", "each-user 500000000", "monthly 100000000000"}))
		Expect(rows(ctx, closedLimits, tenant)()).To(Equal([]string{"daily 5000000000"}))
		expectProgrammed(ctx, budget)
	})

	It("withdraws what it programmed when it is deleted", func(ctx SpecContext) {
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		Eventually(ctx, rows(ctx, openLimits, tenant)).Should(HaveLen(3))
		remove(ctx, budget)
		Expect(stored(ctx, "tenant/"+tenant)).To(BeEmpty())
		Expect(rows(ctx, openLimits, tenant)()).To(BeEmpty())
		Expect(rows(ctx, closedLimits, tenant)()).To(HaveLen(3))
	})

	It("says that nothing of it is in force while others keep it from going", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget, key := objects.TenantBudget(tenant), objects.APIKey(tenant, "key")
		budget.Finalizers = []string{"example.com/hold"}
		create(ctx, budget)
		create(ctx, key)
		expectProgrammed(ctx, budget)
		expectProgrammed(ctx, key)
		Expect(api.Delete(ctx, budget)).To(Succeed())
		expectHeld(ctx, budget, false)
		expectCondition(ctx, budget, v1alpha1.ConditionProgrammed, "False BeingDeleted")
		expectCondition(ctx, budget, v1alpha1.ConditionReady, "False BeingDeleted")
		expectCondition(ctx, key, v1alpha1.ConditionAccepted, "False TargetNotFound")
		Expect(message(key, v1alpha1.ConditionAccepted)).To(HaveSuffix("TenantBudget budget is being deleted"))
		Expect(stored(ctx, "tenant/"+tenant)).To(BeEmpty())
		budget.Finalizers = nil
		Expect(api.Update(ctx, budget)).To(Succeed())
		Eventually(ctx, func() bool { return apierrors.IsNotFound(get(ctx, budget)) }).Should(BeTrue())
	})

	It("leaves its last good configuration in force when it becomes invalid", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		before := stored(ctx, "tenant/"+tenant)

		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.TimeZone = "Mars/Olympus_Mons" })
		expectCondition(ctx, budget, v1alpha1.ConditionAccepted, "False Invalid")
		Expect(message(budget, v1alpha1.ConditionAccepted)).To(HavePrefix(`spec.timeZone: Invalid value: "Mars/Olympus_Mons"`))
		expectCondition(ctx, budget, v1alpha1.ConditionProgrammed, "False NotAccepted")
		expectCondition(ctx, budget, v1alpha1.ConditionReady, "False NotEnforced")
		Expect(stored(ctx, "tenant/"+tenant)).To(Equal(before))
		Expect(rows(ctx, openLimits, tenant)()).To(HaveLen(3))
		Eventually(ctx, eventsOf(ctx, budget, "Rejected")).Should(ConsistOf(ContainSubstring("generation 2: Invalid: spec.timeZone")))

		By("counting money under it all the same")
		spend(ctx, tenant, period.Day, 1*money.USD, 0, true)
		Eventually(ctx, firstLimit(ctx, budget)).Should(HaveField("Spent", "1.00"))

		By("counting anew what an enforcer has found broken")
		key, mark := limiterv1.TenantCountersKey(tenant, tenant), "valid:money:Day"
		Expect(redisClient.HDel(ctx, key, mark).Val()).To(Equal(int64(1)))
		Expect(redisClient.Publish(ctx, limiterv1.FeedChannel, limiterv1.FeedTenant+" "+tenant).Err()).To(Succeed())
		Eventually(ctx, func() bool { return redisClient.HExists(ctx, key, mark).Val() }).Should(BeTrue())

		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.TimeZone = "Asia/Kathmandu" })
		expectProgrammed(ctx, budget)
	})

	It("is not looked at again for nothing", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		Eventually(ctx, rows(ctx, openLimits, tenant)).Should(HaveLen(3))
		version, document := budget.ResourceVersion, stored(ctx, "tenant/"+tenant)
		for range 5 {
			Expect(redisClient.Publish(ctx, "bursar:feed", "tenant "+tenant).Err()).To(Succeed())
			Consistently(ctx, func() string { _ = get(ctx, budget); return budget.ResourceVersion }).
				WithTimeout(200 * time.Millisecond).Should(Equal(version))
		}
		Expect(stored(ctx, "tenant/"+tenant)).To(Equal(document))
	})
})

var _ = Describe("The name of a tenant", func() {
	It("is that of the namespace, unless it is delegated", func(ctx SpecContext) {
		startEnforcer(true)
		namespace := newNamespace(ctx)
		budget := objects.TenantBudget(namespace)
		budget.Spec.Tenant = namespace + "-other"
		create(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionAccepted, "False NamespaceNotDelegated")
		Expect(message(budget, v1alpha1.ConditionAccepted)).To(ContainSubstring("bursar.dev/delegated=true"))
		Expect(stored(ctx, "tenant/"+budget.Spec.Tenant)).To(BeEmpty())
		Expect(budget.Finalizers).To(BeEmpty())

		By("delegating it")
		label(ctx, namespace, ptr.To("true"))
		expectProgrammed(ctx, budget)
		expectHeld(ctx, budget, true)

		By("taking that back")
		label(ctx, namespace, nil)
		expectCondition(ctx, budget, v1alpha1.ConditionAccepted, "False NamespaceNotDelegated")
		Eventually(ctx, func() string { return stored(ctx, "tenant/"+budget.Spec.Tenant) }).Should(BeEmpty())
		Eventually(ctx, rows(ctx, openLimits, budget.Spec.Tenant)).Should(BeEmpty())
		expectHeld(ctx, budget, false)
	})

	It("belongs to the oldest budget that may have it", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		intruder := objects.TenantBudget(newNamespace(ctx))
		intruder.Spec.Tenant = tenant
		create(ctx, intruder)
		expectCondition(ctx, intruder, v1alpha1.ConditionAccepted, "False NamespaceNotDelegated")

		first := objects.TenantBudget(tenant)
		create(ctx, first)
		expectProgrammed(ctx, first)
		second := objects.TenantBudget(tenant)
		// Creation times are whole seconds: the name breaks a tie.
		second.Name = "zweites"
		create(ctx, second)
		expectCondition(ctx, second, v1alpha1.ConditionAccepted, "False Conflicted")
		Expect(message(second, v1alpha1.ConditionAccepted)).To(ContainSubstring("already governed by the older TenantBudget " + tenant + "/budget"))
		Expect(stored(ctx, "tenant/"+tenant)).To(ContainSubstring(string(first.UID)))
		Expect(condition(ctx, first, v1alpha1.ConditionAccepted)()).To(Equal("True Accepted"))

		By("the loser going, which takes nothing with it")
		third := objects.TenantBudget(tenant)
		third.Name = "zzz"
		create(ctx, third)
		expectCondition(ctx, third, v1alpha1.ConditionAccepted, "False Conflicted")
		remove(ctx, third)
		Expect(stored(ctx, "tenant/"+tenant)).To(ContainSubstring(string(first.UID)))

		By("the winner going, which lets the next one have it")
		remove(ctx, first)
		expectProgrammed(ctx, second)
		Expect(stored(ctx, "tenant/"+tenant)).To(ContainSubstring(string(second.UID)))
		Eventually(ctx, rows(ctx, `SELECT budget_uid FROM tenants WHERE tenant_id = $1 AND withdrawn_at IS NULL`, tenant)).
			Should(Equal([]string{string(second.UID)}))
	})
})

// label sets the label that delegates a namespace, or takes it away.
func label(ctx context.Context, namespace string, value *string) {
	GinkgoHelper()
	update(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, func(n *corev1.Namespace) {
		if value == nil {
			delete(n.Labels, v1alpha1.DelegatedLabel)
			return
		}
		if n.Labels == nil {
			n.Labels = map[string]string{}
		}
		n.Labels[v1alpha1.DelegatedLabel] = *value
	})
}

var _ = Describe("The breaker", func() {
	breaker := func(ctx context.Context, budget *v1alpha1.TenantBudget) func() string {
		return func() string {
			if err := get(ctx, budget); err != nil || budget.Status.Breaker == nil {
				return "unknown"
			}
			return string(budget.Status.Breaker.State) + " " + budget.Status.Breaker.Limit
		}
	}

	It("opens at the Trip rung and closes when the limit is raised", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "False BelowTripRung")
		Expect(budget.Status.Limits).To(HaveLen(2), "limits of single users do not show")

		By("reaching the rung that warns")
		spend(ctx, tenant, period.Day, 4*money.USD, 100*money.Cent, true)
		Eventually(ctx, eventsOf(ctx, budget, "BudgetWarning")).Should(ConsistOf(
			HavePrefix("Warning: limit daily has reached its 80% rung: 4.00 of 5.00 USD spent (80%); resets at ")))
		Eventually(ctx, firstLimit(ctx, budget)).Should(HaveField("Spent", "4.00"), "the status follows the Event")
		daily := budget.Status.Limits[0]
		Expect(daily.Held).To(Equal("1.00"))
		Expect(daily.Percent).To(Equal(int64(80)))
		Expect(daily.Rung).To(Equal(v1alpha1.ActionWarn))
		Expect(*budget.Status.Nearest).To(Equal(v1alpha1.NearestLimit{Name: "daily", Spent: "4.00", Amount: "5.00", Used: "80%"}))
		Expect(condition(ctx, budget, v1alpha1.ConditionBreakerOpen)()).To(Equal("False BelowTripRung"))

		By("spending more below the next rung, which is no news")
		spend(ctx, tenant, period.Day, 4*money.USD+1, 0, true)
		Eventually(ctx, firstLimit(ctx, budget)).Should(HaveField("Spent", "4.000000001"))

		By("reaching the rung that trips")
		spend(ctx, tenant, period.Day, 450*money.Cent, 0, true)
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "True TripRungReached")
		Expect(budget.Status.Breaker.State).To(Equal(v1alpha1.BreakerOpen))
		Expect(budget.Status.Breaker.Limit).To(Equal("daily"))
		Expect(budget.Status.Breaker.ClosesAt.Time).To(BeTemporally("==", period.Containing(period.Day, time.UTC, time.Now()).End))
		Expect(budget.Status.Breaker.Since.Time).To(BeTemporally("~", time.Now(), 10*time.Second))
		Expect(condition(ctx, budget, v1alpha1.ConditionReady)()).To(Equal("True Enforced"), "an open breaker is business")
		Eventually(ctx, eventsOf(ctx, budget, "BreakerOpened")).Should(ConsistOf(
			HavePrefix("Warning: limit daily has reached the Trip rung: 4.50 of 5.00 USD spent (90%)")))

		By("raising the limit")
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "10.00" })
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "False BelowTripRung")
		Eventually(ctx, eventsOf(ctx, budget, "BreakerClosed")).Should(ConsistOf(
			ContainSubstring("the limit was raised from 5.00 to 10.00 USD")))
		expectProgrammed(ctx, budget)

		By("having told everything once")
		Expect(eventsOf(ctx, budget, "BudgetWarning")()).To(HaveLen(1))
		Expect(eventsOf(ctx, budget, "BreakerOpened")()).To(HaveLen(1))
	})

	It("closes when the period turns, without being told", func(ctx SpecContext) {
		budget, end := undisturbedMinute(ctx)
		Eventually(ctx, breaker(ctx, budget)).WithTimeout(time.Until(end) + 3*time.Second).Should(Equal("Closed "))
		Expect(budget.Status.Breaker.Since.Time).To(BeTemporally("~", end, 3*time.Second))
		Expect(budget.Status.Limits[0].Spent).To(Equal("0.00"))
		Eventually(ctx, eventsOf(ctx, budget, "BreakerOpened")).Should(ConsistOf(
			ContainSubstring("paid calls are refused until " + end.Format(time.RFC3339))))
		Eventually(ctx, eventsOf(ctx, budget, "BreakerClosed")).Should(ConsistOf(ContainSubstring("a new period began")))

		By("the next period, in which a rung is news again")
		Expect(eventsOf(ctx, budget, "BudgetWarning")()).To(HaveLen(1))
		awaitEarlyMinute(ctx)
		spend(ctx, budget.Spec.Tenant, period.Minute, 85*money.Cent, 0, true)
		Eventually(ctx, eventsOf(ctx, budget, "BudgetWarning")).Should(HaveLen(2))
	})

	It("names the limit that holds it open for longest", func(ctx SpecContext) {
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "False BelowTripRung")
		spend(ctx, tenant, period.Day, 5*money.USD, 0, false)
		spend(ctx, tenant, period.Month, 95*money.USD, 0, true)
		longest, now := "monthly", time.Now()
		if period.Containing(period.Day, time.UTC, now).End.Equal(period.Containing(period.Month, time.UTC, now).End) {
			longest = "daily" // on the last day of a month, the first of two that end at once
		}
		Eventually(ctx, breaker(ctx, budget)).Should(Equal("Open " + longest))
		Expect(budget.Status.Nearest.Name).To(Equal("daily"))
		Eventually(ctx, eventsOf(ctx, budget, "BudgetWarning")).Should(HaveLen(2), "one for each limit")
	})
})

var _ = Describe("A budget that never had effect", func() {
	It("goes at once", func(ctx SpecContext) {
		budget := objects.TenantBudget(newNamespace(ctx))
		budget.Spec.TimeZone = "Mars/Olympus_Mons"
		create(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionAccepted, "False Invalid")
		Expect(budget.Finalizers).To(BeEmpty())
		Expect(api.Delete(ctx, budget)).To(Succeed())
		Expect(get(ctx, budget)).To(Satisfy(apierrors.IsNotFound))
	})
})
