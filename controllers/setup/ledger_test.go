package setup_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

var _ = Describe("An enforcer that cannot write to the ledger", func() {
	It("is told in a condition of each budget, and once in an Event", func(ctx SpecContext) {
		one := startEnforcer(true)
		startEnforcer(true)
		budget := objects.TenantBudget(newNamespace(ctx))
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionLedgerUnreachable, "False LedgerReached")
		manager := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "bursar-system", Name: "bursar-manager"}}
		told := func(reason, note string) func() []string {
			return func() (notes []string) {
				_ = get(ctx, manager)
				for _, event := range eventsOf(ctx, manager, reason)() {
					if matches, _ := HavePrefix(note).Match(event); matches {
						notes = append(notes, event)
					}
				}
				return notes
			}
		}

		one.writes(ctx, limiterv1.LoginFailed)
		expectCondition(ctx, budget, v1alpha1.ConditionLedgerUnreachable, "True LoginFailed")
		Expect(message(budget, v1alpha1.ConditionLedgerUnreachable)).To(And(
			HavePrefix("1 of 2 live enforcers cannot log in to Postgres"), ContainSubstring("bursar-enforcer, key database-url")))
		expectCondition(ctx, budget, v1alpha1.ConditionReady, "True Enforced")
		Eventually(ctx, told("StoreLost", "Warning: Ledger has been out of reach")).WithTimeout(20 * time.Second).Should(HaveLen(1))

		one.writes(ctx, limiterv1.WritesFailing)
		expectCondition(ctx, budget, v1alpha1.ConditionLedgerUnreachable, "True WritesFailing")
		Expect(message(budget, v1alpha1.ConditionLedgerUnreachable)).To(ContainSubstring("check that its disk is not full"))

		one.writes(ctx, "")
		expectCondition(ctx, budget, v1alpha1.ConditionLedgerUnreachable, "False LedgerReached")
		Eventually(ctx, told("StoreBack", "Normal: Ledger answers again")).WithTimeout(20 * time.Second).Should(HaveLen(1))
	})
})
