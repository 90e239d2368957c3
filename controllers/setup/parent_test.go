package setup_test

import (
	"context"
	"encoding/json"
	"fmt"
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

// newChild is a budget of a namespace of its own, below the parent.
func newChild(ctx context.Context, parent *v1alpha1.TenantBudget) *v1alpha1.TenantBudget {
	GinkgoHelper()
	child := objects.TenantBudget(newNamespace(ctx))
	child.Spec.ParentRef = &v1alpha1.ParentRef{Namespace: parent.Namespace, Name: parent.Name}
	return child
}

// documentOf is the tenant's document.
func documentOf(ctx context.Context, budget *v1alpha1.TenantBudget) limiterv1.Tenant {
	_, body, _ := strings.Cut(stored(ctx, "tenant/"+budget.Spec.Tenant), " ")
	var document limiterv1.Tenant
	_ = json.Unmarshal([]byte(body), &document)
	return document
}

// inherited is what a tenant's document has of its ancestors, each in one string:
// its tenant, money limits, rate limits and forced breaker.
func inherited(ctx context.Context, budget *v1alpha1.TenantBudget) func() []string {
	return func() []string {
		ancestors := []string{}
		for _, level := range documentOf(ctx, budget).Ancestors {
			words := []string{level.Tenant}
			for _, limit := range level.Money {
				words = append(words, fmt.Sprintf("%s=%s", limit.Name, limit.Amount))
			}
			for _, limit := range level.Rates {
				words = append(words, limit.Name)
			}
			if level.Forced != "" {
				words = append(words, string(level.Forced))
			}
			ancestors = append(ancestors, strings.Join(words, " "))
		}
		return ancestors
	}
}

var _ = Describe("A parent", func() {
	It("counts what its children spend, whichever was first", func(ctx SpecContext) {
		startEnforcer(true)
		company := objects.TenantBudget(newNamespace(ctx))
		division := newChild(ctx, company)
		team := newChild(ctx, division)

		By("being created last")
		create(ctx, team)
		expectCondition(ctx, team, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
		Expect(message(team, v1alpha1.ConditionAccepted)).To(ContainSubstring(
			`spec.parentRef: Invalid value: "%s/budget": is not there, or does not allow this TenantBudget`, division.Namespace))
		Expect(stored(ctx, "tenant/"+team.Spec.Tenant)).To(BeEmpty())
		create(ctx, division)
		expectCondition(ctx, division, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
		Eventually(ctx, func() string { _ = get(ctx, team); return message(team, v1alpha1.ConditionAccepted) }).Should(ContainSubstring(
			`spec.parentRef: Invalid value: "%s/budget": is not there, or does not allow %s/budget`, company.Namespace, division.Namespace))
		create(ctx, company)
		for _, budget := range []*v1alpha1.TenantBudget{company, division, team} {
			expectProgrammed(ctx, budget)
		}
		ofCompany, ofDivision := company.Namespace+" daily=5.00 monthly=100.00", division.Namespace+" daily=5.00 monthly=100.00"
		Expect(inherited(ctx, team)()).To(Equal([]string{ofDivision, ofCompany}))
		Expect(inherited(ctx, division)()).To(Equal([]string{ofCompany}))
		Expect(inherited(ctx, company)()).To(BeEmpty())
		Expect(documentOf(ctx, team).Root()).To(Equal(company.Spec.Tenant))

		By("being there first")
		late := newChild(ctx, division)
		create(ctx, late)
		expectProgrammed(ctx, late)
		Expect(inherited(ctx, late)()).To(Equal([]string{ofDivision, ofCompany}))

		By("changing, which is a matter of all below it")
		update(ctx, company, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[1].Amount = "70.00" })
		ofCompany = company.Namespace + " daily=5.00 monthly=70.00"
		Eventually(ctx, inherited(ctx, team)).Should(Equal([]string{ofDivision, ofCompany}))
		Eventually(ctx, inherited(ctx, division)).Should(Equal([]string{ofCompany}))
		expectProgrammed(ctx, team)

		By("having policies, of which those per tenant are a matter of all below it")
		policy := objects.RateLimitPolicy(company.Namespace, "policy")
		policy.Spec.Limits = append(policy.Spec.Limits, v1alpha1.RateLimit{
			Name: "shared", Per: v1alpha1.ScopeTenant, Concurrent: ptr.To[int64](3),
		})
		create(ctx, policy)
		expectProgrammed(ctx, policy)
		Eventually(ctx, inherited(ctx, team)).Should(Equal([]string{ofDivision, ofCompany + " policy/shared"}))
		Expect(documentOf(ctx, team).Ancestors[1].Rates).To(Equal([]limiterv1.RateLimit{
			{Name: "policy/shared", Per: limiterv1.PerTenant, Unit: limiterv1.InFlight, Burst: 3}}))
		remove(ctx, policy)
		Eventually(ctx, inherited(ctx, team)).Should(Equal([]string{ofDivision, ofCompany}))

		By("spending: its breaker stops those below it")
		key := limiterv1.TenantCountersKey(company.Spec.Tenant, division.Spec.Tenant)
		span := period.Containing(period.Day, time.UTC, time.Now())
		spent := limiterv1.MoneyCounter{Start: span.Start, End: span.End, Spent: 5 * money.USD}
		Expect(redisClient.HSet(ctx, key, limiterv1.MoneyField(limiterv1.MoneyLimit{Period: period.Day}), spent.Encode()).Err()).To(Succeed())
		Expect(redisClient.Publish(ctx, limiterv1.FeedChannel, "tenant "+late.Spec.Tenant+" "+division.Spec.Tenant).Err()).To(Succeed())
		for _, budget := range []*v1alpha1.TenantBudget{division, team, late} {
			expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "True TripRungReached")
		}
		Expect(division.Status.Breaker.Summary).To(Equal("Open"))
		Expect(*team.Status.Breaker).To(SatisfyAll(
			HaveField("State", v1alpha1.BreakerOpen), HaveField("Summary", "Open (parent)"),
			HaveField("Tenant", division.Spec.Tenant), HaveField("Limit", "daily")))
		Expect(team.Status.Limits[0].Spent).To(Equal("0.00"))
		Eventually(ctx, eventsOf(ctx, team, "BreakerOpened")).Should(ConsistOf(
			HavePrefix("Warning: limit daily of tenant " + division.Spec.Tenant + " has reached the Trip rung: 5.00 of 5.00 USD spent")))
		Expect(condition(ctx, company, v1alpha1.ConditionBreakerOpen)()).To(Equal("False BelowTripRung"))
	})

	It("is programmed when its children's configurations are", func(ctx SpecContext) {
		e := startEnforcer(false)
		company := objects.TenantBudget(newNamespace(ctx))
		team, policy := newChild(ctx, company), objects.RateLimitPolicy(company.Namespace, "policy")
		policy.Spec.Limits[0].Per = v1alpha1.ScopeTenant
		create(ctx, company)
		create(ctx, policy)
		create(ctx, team)
		Eventually(ctx, inherited(ctx, team)).Should(Equal([]string{company.Namespace + " daily=5.00 monthly=100.00 policy/all"}))
		Eventually(ctx, func() string { return stored(ctx, "tenant/"+company.Spec.Tenant) }).Should(ContainSubstring("policy/all"))
		revision := func() int64 {
			revision, err := redisClient.Get(ctx, limiterv1.RevisionKey).Int64()
			Expect(err).NotTo(HaveOccurred())
			return revision
		}
		e.runs(ctx, revision())
		expectProgrammed(ctx, company)
		expectProgrammed(ctx, policy)

		By("the child changing by itself, which is not the parent's business")
		update(ctx, team, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "1.00" })
		expectCondition(ctx, team, v1alpha1.ConditionProgrammed, "False EnforcersPending")
		Consistently(ctx, condition(ctx, company, v1alpha1.ConditionProgrammed)).
			WithTimeout(500 * time.Millisecond).Should(Equal("True Programmed"))
		e.runs(ctx, revision())
		expectProgrammed(ctx, team)

		By("the parent changing, and all but the last of the documents being run")
		update(ctx, company, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "4.00" })
		Eventually(ctx, inherited(ctx, team)).Should(Equal([]string{company.Namespace + " daily=4.00 monthly=100.00 policy/all"}))
		Eventually(ctx, func() string { return stored(ctx, "tenant/"+company.Spec.Tenant) }).Should(ContainSubstring(`"amount":4000000000`))
		e.runs(ctx, revision()-1)
		expectCondition(ctx, company, v1alpha1.ConditionProgrammed, "False EnforcersPending")
		Consistently(ctx, condition(ctx, company, v1alpha1.ConditionProgrammed)).
			WithTimeout(500 * time.Millisecond).Should(Equal("False EnforcersPending"))
		e.runs(ctx, revision())
		expectProgrammed(ctx, company)
		expectProgrammed(ctx, team)
	})

	It("that becomes invalid or goes leaves its children as they were", func(ctx SpecContext) {
		startEnforcer(true)
		company := objects.TenantBudget(newNamespace(ctx))
		team := newChild(ctx, company)
		key := objects.APIKey(team.Namespace, "key")
		create(ctx, company)
		create(ctx, team)
		create(ctx, key)
		expectProgrammed(ctx, team)
		expectProgrammed(ctx, key)
		before := stored(ctx, "tenant/"+team.Spec.Tenant)

		By("becoming invalid")
		update(ctx, company, func(b *v1alpha1.TenantBudget) { b.Spec.TimeZone = "Mars/Olympus_Mons" })
		expectCondition(ctx, team, v1alpha1.ConditionAccepted, "False ParentNotAccepted")
		Expect(message(team, v1alpha1.ConditionAccepted)).To(ContainSubstring("TenantBudget " + company.Namespace + "/budget is not accepted: Invalid"))
		Expect(stored(ctx, "tenant/"+team.Spec.Tenant)).To(Equal(before))
		update(ctx, company, func(b *v1alpha1.TenantBudget) { b.Spec.TimeZone = "UTC" })
		expectProgrammed(ctx, team)

		By("going")
		before = stored(ctx, "tenant/"+team.Spec.Tenant)
		remove(ctx, company)
		expectCondition(ctx, team, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
		expectCondition(ctx, team, v1alpha1.ConditionProgrammed, "False NotAccepted")
		Expect(stored(ctx, "tenant/"+company.Spec.Tenant)).To(BeEmpty())
		Expect(stored(ctx, "tenant/"+team.Spec.Tenant)).To(Equal(before))
		expectCondition(ctx, key, v1alpha1.ConditionAccepted, "False TargetNotAccepted")
		Expect(stored(ctx, "credential/"+key.Namespace+"/"+key.Spec.SHA256)).NotTo(BeEmpty(), "its keys go on working")

		By("coming back")
		again := objects.TenantBudget(company.Namespace)
		create(ctx, again)
		expectProgrammed(ctx, team)
		expectProgrammed(ctx, key)
		Expect(stored(ctx, "tenant/"+team.Spec.Tenant)).To(ContainSubstring(string(again.UID)))
	})

	It("holds for a child that is not accepted itself", func(ctx SpecContext) {
		startEnforcer(true)
		company := objects.TenantBudget(newNamespace(ctx))
		division := newChild(ctx, company)
		team := newChild(ctx, division)
		for _, budget := range []*v1alpha1.TenantBudget{company, division, team} {
			create(ctx, budget)
		}
		for _, budget := range []*v1alpha1.TenantBudget{company, division, team} {
			expectProgrammed(ctx, budget)
		}
		update(ctx, division, func(b *v1alpha1.TenantBudget) {
			b.Spec.TimeZone, b.Spec.Limits[0].Amount = "Mars/Olympus_Mons", "1000.00"
		})
		expectCondition(ctx, team, v1alpha1.ConditionAccepted, "False ParentNotAccepted")
		update(ctx, company, func(b *v1alpha1.TenantBudget) { b.Spec.Breaker = &v1alpha1.Breaker{Forced: v1alpha1.BreakerOpen} })
		ofCompany, ofDivision := company.Namespace+" daily=5.00 monthly=100.00 Open", division.Namespace+" daily=5.00 monthly=100.00"
		Eventually(ctx, inherited(ctx, division)).Should(Equal([]string{ofCompany}))
		Eventually(ctx, inherited(ctx, team)).Should(Equal([]string{ofDivision, ofCompany}))
		Expect(documentOf(ctx, division).Money[0].Amount).To(Equal(5*money.USD), "its own part is the last good one")
		expectCondition(ctx, team, v1alpha1.ConditionBreakerOpen, "True Forced")
		Expect(team.Status.Breaker.Summary).To(Equal("Open (parent, forced)"))
		Expect(condition(ctx, team, v1alpha1.ConditionAccepted)()).To(Equal("False ParentNotAccepted"))
	})

	It("must not lead back", func(ctx SpecContext) {
		startEnforcer(true)
		one, other := objects.TenantBudget(newNamespace(ctx)), objects.TenantBudget(newNamespace(ctx))
		one.Spec.ParentRef = &v1alpha1.ParentRef{Namespace: other.Namespace, Name: "budget"}
		other.Spec.ParentRef = &v1alpha1.ParentRef{Namespace: one.Namespace, Name: "budget"}
		create(ctx, one)
		create(ctx, other)
		for budget, parent := range map[*v1alpha1.TenantBudget]string{one: other.Namespace, other: one.Namespace} {
			expectCondition(ctx, budget, v1alpha1.ConditionAccepted, "False ParentCycle")
			Expect(message(budget, v1alpha1.ConditionAccepted)).To(HaveSuffix(
				fmt.Sprintf("%[1]s/budget -> %[2]s/budget -> %[1]s/budget", budget.Namespace, parent)))
			Expect(stored(ctx, "tenant/"+budget.Spec.Tenant)).To(BeEmpty())
		}
		itself := objects.TenantBudget(newNamespace(ctx))
		itself.Spec.ParentRef = &v1alpha1.ParentRef{Name: "budget"}
		create(ctx, itself)
		expectCondition(ctx, itself, v1alpha1.ConditionAccepted, "False ParentCycle")

		By("one of them being made anew")
		remove(ctx, other)
		expectCondition(ctx, one, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
		create(ctx, objects.TenantBudget(other.Namespace))
		expectProgrammed(ctx, one)
	})

	It("has at most eight above it", func(ctx SpecContext) {
		startEnforcer(true)
		budget := objects.TenantBudget(newNamespace(ctx))
		create(ctx, budget)
		for range limiterv1.MaxDepth {
			budget = newChild(ctx, budget)
			create(ctx, budget)
		}
		expectProgrammed(ctx, budget)
		Expect(inherited(ctx, budget)()).To(HaveLen(limiterv1.MaxDepth))
		tooDeep := newChild(ctx, budget)
		create(ctx, tooDeep)
		expectCondition(ctx, tooDeep, v1alpha1.ConditionAccepted, "False ParentTooDeep")
		Expect(message(tooDeep, v1alpha1.ConditionAccepted)).To(ContainSubstring("must not have more than 8 budgets above it: " + tooDeep.Namespace))
		Expect(stored(ctx, "tenant/"+tooDeep.Spec.Tenant)).To(BeEmpty())
	})
})
