package setup_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// newGrant gives the daily limit of a namespace's budget two dollars more.
func newGrant(namespace, name string, forHowLong time.Duration) *v1alpha1.BudgetGrant {
	return &v1alpha1.BudgetGrant{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: v1alpha1.BudgetGrantSpec{
			BudgetRef: v1alpha1.BudgetRef{Name: "budget"}, Limit: "daily", Amount: "2.00", Reason: "end of the quarter",
			ExpiresAt: metav1.NewTime(time.Now().Add(forHowLong).Truncate(time.Second)),
		},
	}
}

// grantsIn are the names of the grants in a tenant's document.
func grantsIn(ctx context.Context, budget *v1alpha1.TenantBudget) func() []string {
	return func() []string {
		names := []string{}
		for _, level := range append([]limiterv1.Level{documentOf(ctx, budget).Level}, documentOf(ctx, budget).Ancestors...) {
			for _, limit := range level.Money {
				for _, grant := range limit.Grants {
					names = append(names, limit.Name+" "+grant.Name)
				}
			}
		}
		return names
	}
}

func stateOf(ctx context.Context, grant *v1alpha1.BudgetGrant) func() v1alpha1.GrantState {
	return func() v1alpha1.GrantState {
		if get(ctx, grant) != nil {
			return ""
		}
		return grant.Status.State
	}
}

const grantRows = `SELECT tenant_id, grant_name, limit_name, amount_nanos, reason, withdrawn_at IS NULL FROM budget_grants WHERE tenant_id = $1 ORDER BY grant_name`

var _ = Describe("A BudgetGrant", func() {
	It("tops up a limit until it is over, whichever comes first", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		grant := newGrant(tenant, "grant", time.Hour)
		create(ctx, grant)
		expectCondition(ctx, grant, v1alpha1.ConditionAccepted, "False TargetNotFound")
		Expect(message(grant, v1alpha1.ConditionAccepted)).To(Equal(`spec.budgetRef.name: Not found: "budget": namespace ` + tenant + ` has no TenantBudget of this name`))
		Expect(condition(ctx, grant, v1alpha1.ConditionStalled)()).To(Equal("False Reconciling"))

		budget := objects.TenantBudget(tenant)
		budget.Spec.Limits[0].Name = "another"
		create(ctx, budget)
		expectCondition(ctx, grant, v1alpha1.ConditionAccepted, "False LimitNotFound")
		Expect(stateOf(ctx, grant)()).To(Equal(v1alpha1.GrantPending))
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Name = "daily" })
		expectProgrammed(ctx, grant)
		expectCondition(ctx, grant, v1alpha1.ConditionReady, "True Enforced")
		expectCondition(ctx, grant, v1alpha1.ConditionExpired, "False Running")
		Expect(stateOf(ctx, grant)()).To(Equal(v1alpha1.GrantActive))
		Eventually(ctx, eventsOf(ctx, grant, "Granted")).Should(ConsistOf(fmt.Sprintf(
			"Normal: limit daily of TenantBudget budget has 2.00 USD more until %s: end of the quarter", grant.Spec.ExpiresAt.UTC().Format(time.RFC3339))))
		Eventually(ctx, rows(ctx, grantRows, tenant)).Should(Equal([]string{tenant + " grant daily 2000000000 end of the quarter true"}))

		By("counting in the status of the budget")
		spend(ctx, tenant, period.Day, 5*money.USD, 0, true)
		Eventually(ctx, firstLimit(ctx, budget)).Should(SatisfyAll(
			HaveField("Amount", "7.00"), HaveField("Granted", "2.00"), HaveField("Spent", "5.00"), HaveField("Percent", int64(71)), HaveField("Rung", v1alpha1.Action(""))))
		Expect(condition(ctx, budget, v1alpha1.ConditionExhausted)()).To(Equal("False AmountLeft"))

		By("being taken back")
		remove(ctx, grant)
		Eventually(ctx, grantsIn(ctx, budget)).Should(BeEmpty())
		expectCondition(ctx, budget, v1alpha1.ConditionExhausted, "True AmountSpent")
		Expect(budget.Status.Limits[0].Granted).To(BeEmpty())
		Expect(rows(ctx, grantRows, tenant)()).To(Equal([]string{tenant + " grant daily 2000000000 end of the quarter false"}))

		By("being over by itself")
		short := newGrant(tenant, "short", 6*time.Second)
		create(ctx, short)
		Eventually(ctx, stateOf(ctx, short)).Should(Equal(v1alpha1.GrantActive))
		expectCondition(ctx, budget, v1alpha1.ConditionExhausted, "False AmountLeft")
		expectCondition(ctx, short, v1alpha1.ConditionExpired, "True Expired")
		Expect(stateOf(ctx, short)()).To(Equal(v1alpha1.GrantExpired))
		Expect(condition(ctx, short, v1alpha1.ConditionReady)()).To(Equal("True Expired"), "the rollout is complete")
		Expect(condition(ctx, short, v1alpha1.ConditionAccepted)()).To(Equal("True Accepted"))
		Expect(condition(ctx, short, v1alpha1.ConditionProgrammed)()).To(Equal("False Expired"))
		Expect(condition(ctx, short, v1alpha1.ConditionStalled)()).To(Equal("False Reconciled"))
		Expect(condition(ctx, short, v1alpha1.ConditionReconciling)()).To(Equal("False Reconciled"))
		expectCondition(ctx, budget, v1alpha1.ConditionExhausted, "True AmountSpent")
		Eventually(ctx, grantsIn(ctx, budget)).Should(BeEmpty())
		Eventually(ctx, eventsOf(ctx, short, "GrantExpired")).Should(ConsistOf(HavePrefix(
			"Normal: limit daily of TenantBudget budget no longer has 2.00 USD more: the grant expired at ")))
		Expect(rows(ctx, grantRows, tenant)()).To(HaveExactElements(HaveSuffix("false"), HaveSuffix("true")), "the record stands")
	})

	It("that came too late is on record in its status alone", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		create(ctx, objects.TenantBudget(tenant))
		grant := newGrant(tenant, "late", -time.Minute)
		create(ctx, grant)
		expectCondition(ctx, grant, v1alpha1.ConditionAccepted, "False Expired")
		Expect(condition(ctx, grant, v1alpha1.ConditionReady)()).To(Equal("True Expired"))
		Expect(condition(ctx, grant, v1alpha1.ConditionStalled)()).To(Equal("False Reconciled"))
		Eventually(ctx, eventsOf(ctx, grant, "GrantExpired")).Should(ConsistOf(HavePrefix("Warning: the grant expired at ")))
		Expect(rows(ctx, grantRows, tenant)()).To(BeEmpty())
	})

	It("counts for those below, but not one of a user", func(ctx SpecContext) {
		startEnforcer(true)
		company := objects.TenantBudget(newNamespace(ctx))
		team := newChild(ctx, company)
		create(ctx, company)
		create(ctx, team)
		grant := newGrant(company.Namespace, "grant", time.Hour)
		ofUser := newGrant(company.Namespace, "of-user", time.Hour)
		ofUser.Spec.Limit, ofUser.Spec.User = "each-user", "ana"
		later := newGrant(company.Namespace, "later", time.Hour)
		later.Spec.StartsAt = ptr.To(metav1.NewTime(time.Now().Add(30 * time.Minute).Truncate(time.Second)))
		create(ctx, grant)
		create(ctx, ofUser)
		create(ctx, later)
		for _, g := range []*v1alpha1.BudgetGrant{grant, ofUser, later} {
			expectProgrammed(ctx, g)
		}
		Expect(grantsIn(ctx, company)()).To(ConsistOf("daily grant", "daily later", "each-user of-user"))
		Eventually(ctx, grantsIn(ctx, team)).Should(ConsistOf("daily grant", "daily later"))
		Expect(stateOf(ctx, later)()).To(Equal(v1alpha1.GrantPending))
		expectCondition(ctx, later, v1alpha1.ConditionExpired, "False NotStarted")
		Expect(stateOf(ctx, ofUser)()).To(Equal(v1alpha1.GrantActive))
	})
})
