package setup_test

import (
	"context"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// orphan is a budget of its namespace's tenant that is not accepted, because its parent is not
// there.
func orphan(namespace string) *v1alpha1.TenantBudget {
	waiting := objects.TenantBudget(namespace)
	waiting.Name, waiting.Spec.ParentRef = "waiting", &v1alpha1.ParentRef{Name: "missing"}
	return waiting
}

var _ = Describe("An APIKey", func() {
	document := func(ctx context.Context, k *v1alpha1.APIKey) func() string {
		return func() string { return stored(ctx, "credential/"+k.Namespace+"/"+k.Spec.SHA256) }
	}

	It("is looked at anew when a manager that leads no more could not determine its state", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		create(ctx, objects.TenantBudget(tenant))
		key := objects.APIKey(tenant, "key")
		create(ctx, key)
		expectProgrammed(ctx, key)

		By("being written over by one that was paused and has not heard of its end yet")
		Expect(get(ctx, key)).To(Succeed())
		meta.SetStatusCondition(&key.Status.Conditions, metav1.Condition{
			Type: v1alpha1.ConditionProgrammed, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonInternalError,
			Message: "failed to determine whether the object is programmed: see the log of the manager", ObservedGeneration: key.Generation,
		})
		Expect(api.Status().Update(ctx, key)).To(Succeed())
		expectProgrammed(ctx, key)
	})

	It("has its status again when somebody has written over it", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		create(ctx, objects.TenantBudget(tenant))
		key := objects.APIKey(tenant, "key")
		create(ctx, key)
		expectProgrammed(ctx, key)
		for name, overwrite := range map[string]func(*v1alpha1.APIKeyStatus){
			"nothing": func(status *v1alpha1.APIKeyStatus) { *status = v1alpha1.APIKeyStatus{} },
			"less": func(status *v1alpha1.APIKeyStatus) {
				meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionProgrammed)
			},
			"another generation": func(status *v1alpha1.APIKeyStatus) { status.ObservedGeneration = 99 },
		} {
			By(name)
			Expect(get(ctx, key)).To(Succeed())
			overwrite(&key.Status)
			Expect(api.Status().Update(ctx, key)).To(Succeed())
			Eventually(ctx, func() (int64, error) {
				err := get(ctx, key)
				return key.Status.ObservedGeneration, err
			}).Should(Equal(key.Generation))
			expectProgrammed(ctx, key)
		}
	})

	It("is programmed while its budget stands", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		key := objects.APIKey(tenant, "key")
		create(ctx, key)
		expectCondition(ctx, key, v1alpha1.ConditionAccepted, "False TargetNotFound")
		Expect(document(ctx, key)()).To(BeEmpty())

		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		expectProgrammed(ctx, key)
		Expect(document(ctx, key)()).To(ContainSubstring(`"tenant":"` + tenant + `","user":"gerente-1","tier":"gerente"`))

		By("its budget becoming invalid, which takes nothing from it")
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.TimeZone = "Mars/Olympus_Mons" })
		expectCondition(ctx, key, v1alpha1.ConditionAccepted, "False TargetNotAccepted")
		Expect(document(ctx, key)()).NotTo(BeEmpty())
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.TimeZone = "UTC" })
		expectProgrammed(ctx, key)

		By("its budget going")
		remove(ctx, budget)
		expectCondition(ctx, key, v1alpha1.ConditionAccepted, "False TargetNotFound")
		Eventually(ctx, document(ctx, key)).Should(BeEmpty())
		expectHeld(ctx, key, false)

		By("the budget coming back")
		create(ctx, objects.TenantBudget(tenant))
		expectProgrammed(ctx, key)
		expectHeld(ctx, key, true)
		remove(ctx, key)
		Expect(document(ctx, key)()).To(BeEmpty())
	})

	It("is replaced without a refused call, and the one before can be taken back", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		create(ctx, objects.TenantBudget(tenant))
		key := objects.APIKey(tenant, "key")
		create(ctx, key)
		expectProgrammed(ctx, key)
		before := key.DeepCopy()

		By("another key taking its place")
		until := metav1.NewTime(time.Now().Add(time.Hour)).Rfc3339Copy()
		update(ctx, key, func(k *v1alpha1.APIKey) {
			k.Spec.SHA256 = strings.Repeat("e", 64)
			k.Spec.PreviousKeys = []v1alpha1.PreviousKey{{SHA256: before.Spec.SHA256, ExpiresAt: until}}
		})
		expectProgrammed(ctx, key)
		Expect(document(ctx, key)()).To(And(ContainSubstring(`"name":"`+tenant+`/key"`), Not(ContainSubstring("expiresAt"))))
		Expect(document(ctx, before)()).To(And(ContainSubstring(`"name":"`+tenant+`/key"`), ContainSubstring(`"expiresAt":"`+until.UTC().Format(time.RFC3339))))
		Expect(key.Status.Keys).To(ConsistOf(HaveField("SHA256", key.Spec.SHA256), HaveField("SHA256", before.Spec.SHA256)))

		By("the one before being taken back, while the budget is invalid")
		budget := objects.TenantBudget(tenant)
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.TimeZone = "Mars/Olympus_Mons" })
		expectCondition(ctx, key, v1alpha1.ConditionAccepted, "False TargetNotAccepted")
		update(ctx, key, func(k *v1alpha1.APIKey) { k.Spec.PreviousKeys = nil })
		Eventually(ctx, document(ctx, before)).Should(BeEmpty())
		Expect(document(ctx, key)()).NotTo(BeEmpty())

		By("the APIKey going")
		remove(ctx, key)
		Expect(document(ctx, key)()).To(BeEmpty())
	})

	It("does not charge a tenant that its budget may not name", func(ctx SpecContext) {
		startEnforcer(true)
		namespace := newNamespace(ctx, v1alpha1.DelegatedLabel)
		budget, key := objects.TenantBudget(namespace), objects.APIKey(namespace, "key")
		budget.Spec.Tenant = namespace + "-other"
		create(ctx, budget)
		create(ctx, key)
		expectProgrammed(ctx, key)
		label(ctx, namespace, nil)
		expectCondition(ctx, key, v1alpha1.ConditionAccepted, "False TargetNotAccepted")
		Eventually(ctx, document(ctx, key)).Should(BeEmpty())
	})

	It("does not charge a tenant whose budget it names no longer", func(ctx SpecContext) {
		startEnforcer(true)
		namespace := newNamespace(ctx, v1alpha1.DelegatedLabel)
		budget, key := objects.TenantBudget(namespace), objects.APIKey(namespace, "key")
		budget.Spec.Tenant = namespace + "-other"
		create(ctx, budget)
		create(ctx, key)
		expectProgrammed(ctx, key)
		waiting := orphan(namespace)
		create(ctx, waiting)
		update(ctx, key, func(k *v1alpha1.APIKey) { k.Spec.BudgetRef.Name = waiting.Name })
		expectCondition(ctx, key, v1alpha1.ConditionAccepted, "False TargetNotAccepted")
		Eventually(ctx, document(ctx, key)).Should(BeEmpty())
		expectHeld(ctx, key, false)
	})

	It("is one of its kind: the older key wins", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		create(ctx, objects.TenantBudget(tenant))
		older, newer := objects.APIKey(tenant, "a"), objects.APIKey(tenant, "b")
		newer.Spec.SHA256, newer.Spec.User = older.Spec.SHA256, "empleado-1"
		create(ctx, older)
		expectProgrammed(ctx, older)
		create(ctx, newer)
		expectCondition(ctx, newer, v1alpha1.ConditionAccepted, "False Conflicted")
		Expect(message(newer, v1alpha1.ConditionAccepted)).To(ContainSubstring("already governed by the older APIKey a in this namespace"))
		Expect(document(ctx, older)()).To(ContainSubstring(`"user":"gerente-1"`))

		remove(ctx, older)
		expectProgrammed(ctx, newer)
		Expect(document(ctx, newer)()).To(ContainSubstring(`"user":"empleado-1"`))
	})

	It("is no matter of other namespaces", func(ctx SpecContext) {
		startEnforcer(true)
		squatter, acme := newNamespace(ctx), newNamespace(ctx)
		create(ctx, objects.TenantBudget(squatter))
		create(ctx, objects.TenantBudget(acme))
		first, own := objects.APIKey(squatter, "key"), objects.APIKey(acme, "key")
		first.Spec.SHA256 = own.Spec.SHA256
		create(ctx, first)
		expectProgrammed(ctx, first)
		create(ctx, own)
		expectProgrammed(ctx, own)
		Expect(document(ctx, own)()).To(ContainSubstring(`"tenant":"` + acme + `"`))
		Expect(document(ctx, first)()).To(ContainSubstring(`"tenant":"` + squatter + `"`))
		remove(ctx, first)
		Expect(document(ctx, first)()).To(BeEmpty())
		Expect(document(ctx, own)()).NotTo(BeEmpty())
	})

	It("says when it has expired", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		create(ctx, objects.TenantBudget(tenant))
		key := objects.APIKey(tenant, "key")
		key.Spec.ExpiresAt = ptr.To(metav1.NewTime(time.Now().Add(2 * time.Second)).Rfc3339Copy())
		create(ctx, key)
		expectProgrammed(ctx, key)
		expectCondition(ctx, key, v1alpha1.ConditionExpired, "True Expired")
		expectCondition(ctx, key, v1alpha1.ConditionReady, "True Expired")
		expectCondition(ctx, key, v1alpha1.ConditionStalled, "False Reconciled")
		Expect(time.Now()).To(BeTemporally(">=", key.Spec.ExpiresAt.Time))
		Expect(condition(ctx, key, v1alpha1.ConditionProgrammed)()).To(Equal("True Programmed"), "enforcers see to its expiry themselves")
		Expect(document(ctx, key)()).To(ContainSubstring(`"expiresAt":"` + key.Spec.ExpiresAt.UTC().Format(time.RFC3339) + `"`))
	})
})
