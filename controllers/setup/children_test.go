package setup_test

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// allow makes a budget allow children of some namespaces, and of its own.
func allow(namespaces v1alpha1.Namespaces) func(*v1alpha1.TenantBudget) {
	return func(b *v1alpha1.TenantBudget) {
		b.Spec.AllowedChildren = &v1alpha1.AllowedChildren{Namespaces: namespaces}
	}
}

var _ = Describe("A child", func() {
	It("is the parent's to allow", func(ctx SpecContext) {
		startEnforcer(true)
		company := objects.TenantBudget(newNamespace(ctx, v1alpha1.DelegatedLabel))
		company.Spec.AllowedChildren = nil
		beside := objects.TenantBudget(company.Namespace)
		beside.Name, beside.Spec.Tenant = "beside", company.Namespace+"-beside"
		beside.Spec.ParentRef = &v1alpha1.ParentRef{Name: company.Name}
		team := newChild(ctx, company)
		part := newChild(ctx, team)
		for _, budget := range []*v1alpha1.TenantBudget{company, beside, team, part} {
			create(ctx, budget)
		}
		expectProgrammed(ctx, beside)
		expectCondition(ctx, team, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
		Expect(message(team, v1alpha1.ConditionAccepted)).To(Equal(fmt.Sprintf(
			`spec.parentRef: Invalid value: "%[1]s/budget": is not there, or does not allow this TenantBudget as a child: `+
				`include namespace %[2]s in spec.allowedChildren.namespaces of TenantBudget %[1]s/budget`,
			company.Namespace, team.Namespace)))
		expectCondition(ctx, part, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
		Expect(message(part, v1alpha1.ConditionAccepted)).To(ContainSubstring("does not allow %s/budget as a child", team.Namespace))
		Expect(condition(ctx, team, v1alpha1.ConditionStalled)()).To(Equal("False Reconciling"), "it waits for its parent")
		Expect(stored(ctx, "tenant/"+team.Spec.Tenant)).To(BeEmpty())

		By("the parent allowing it by its namespace's labels")
		update(ctx, company, allow(v1alpha1.Namespaces{From: v1alpha1.NamespacesSelector, Selector: &v1alpha1.LabelSelector{
			MatchLabels: map[string]string{"of": "company"}}}))
		expectCondition(ctx, team, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: team.Namespace}}
		update(ctx, namespace, func(n *corev1.Namespace) { n.Labels["of"] = "company" })
		expectProgrammed(ctx, team)
		expectProgrammed(ctx, part)

		By("the parent taking it back: what was in force stays, and follows the parent's limits")
		update(ctx, company, allow(v1alpha1.Namespaces{From: v1alpha1.NamespacesSame}))
		expectCondition(ctx, team, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
		update(ctx, team, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "1000.00" })
		update(ctx, company, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "1.00" })
		Eventually(ctx, inherited(ctx, team)).Should(Equal([]string{company.Namespace + " daily=1.00 monthly=100.00"}))
		Expect(documentOf(ctx, team).Money[0].Amount.String()).To(Equal("5.00"))
		expectProgrammed(ctx, beside)

		By("the parent allowing all")
		update(ctx, company, allow(v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}))
		expectProgrammed(ctx, team)
		Expect(documentOf(ctx, team).Money[0].Amount.String()).To(Equal("1000.00"))
	})

	It("follows a parent that is renamed, whichever is applied first, and goes to no other tenant", func(ctx SpecContext) {
		startEnforcer(true)
		company := objects.TenantBudget(newNamespace(ctx))
		early, late := newChild(ctx, company), newChild(ctx, company)
		part := newChild(ctx, late)
		all := []*v1alpha1.TenantBudget{company, early, late, part}
		for _, budget := range all {
			create(ctx, budget)
		}
		for _, budget := range all {
			expectProgrammed(ctx, budget)
		}
		Expect(part.Status.Path).To(Equal(company.Spec.Tenant + "/" + late.Spec.Tenant + "/" + part.Spec.Tenant))
		stays := func() {
			GinkgoHelper()
			for _, child := range []*v1alpha1.TenantBudget{early, late, part} {
				Expect(documentOf(ctx, child).Root()).To(Equal(company.Spec.Tenant))
			}
		}

		By("one child naming the successor before there is one: it keeps what it has")
		update(ctx, company, func(b *v1alpha1.TenantBudget) { b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: "renamed"} })
		rename := func(b *v1alpha1.TenantBudget) { b.Spec.ParentRef.Name = "renamed" }
		update(ctx, early, rename)
		expectCondition(ctx, early, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
		Expect(message(early, v1alpha1.ConditionAccepted)).To(HaveSuffix("; the configuration that was accepted last stays in force"))
		stays()

		By("the successor taking over: all children are below it, also those that name the old one")
		renamed := objects.TenantBudget(company.Namespace)
		renamed.Name = "renamed"
		create(ctx, renamed)
		for _, budget := range []*v1alpha1.TenantBudget{renamed, early, late, part} {
			expectProgrammed(ctx, budget)
		}
		expectCondition(ctx, company, v1alpha1.ConditionAccepted, "False HandedOver")
		stays()
		update(ctx, renamed, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "3.00" })
		for _, child := range []*v1alpha1.TenantBudget{early, late} {
			Eventually(ctx, inherited(ctx, child)).Should(Equal([]string{company.Spec.Tenant + " daily=3.00 monthly=100.00"}))
		}

		By("a successor of the successor taking over: the first one's children follow it, too")
		again := objects.TenantBudget(company.Namespace)
		again.Name, again.Spec.Limits[0].Amount = "renamed-again", "2.00"
		update(ctx, renamed, func(b *v1alpha1.TenantBudget) { b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: again.Name} })
		create(ctx, again)
		for _, budget := range []*v1alpha1.TenantBudget{again, early, late, part} {
			expectProgrammed(ctx, budget)
		}
		for _, before := range []*v1alpha1.TenantBudget{company, renamed} {
			expectCondition(ctx, before, v1alpha1.ConditionAccepted, "False HandedOver")
		}
		for _, child := range []*v1alpha1.TenantBudget{early, late} {
			Eventually(ctx, inherited(ctx, child)).Should(Equal([]string{company.Spec.Tenant + " daily=2.00 monthly=100.00"}))
		}

		By("the old one being pruned before the other child names the successor")
		remove(ctx, company)
		expectCondition(ctx, late, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
		Expect(message(late, v1alpha1.ConditionAccepted)).To(ContainSubstring("is not there, or does not allow this TenantBudget as a child"))
		stays()
		update(ctx, late, rename)
		for _, child := range []*v1alpha1.TenantBudget{early, late, part} {
			expectProgrammed(ctx, child)
		}
		stays()

		By("a child naming a budget of another tenant")
		other := objects.TenantBudget(newNamespace(ctx))
		create(ctx, other)
		expectProgrammed(ctx, other)
		update(ctx, late, func(b *v1alpha1.TenantBudget) {
			b.Spec.ParentRef = &v1alpha1.ParentRef{Namespace: other.Namespace, Name: other.Name}
		})
		expectCondition(ctx, late, v1alpha1.ConditionAccepted, "False ParentChanged")
		stays()
	})

	It("does not escape what governs its parent's tenant by naming a parent that is not there", func(ctx SpecContext) {
		startEnforcer(true)
		company := objects.TenantBudget(newNamespace(ctx))
		team := newChild(ctx, company)
		part := newChild(ctx, team)
		for _, budget := range []*v1alpha1.TenantBudget{company, team, part} {
			create(ctx, budget)
		}
		for _, budget := range []*v1alpha1.TenantBudget{company, team, part} {
			expectProgrammed(ctx, budget)
		}
		inherits := func(ofCompany string) {
			GinkgoHelper()
			ofCompany = company.Spec.Tenant + " " + ofCompany
			Eventually(ctx, inherited(ctx, team)).WithTimeout(5 * time.Second).Should(Equal([]string{ofCompany}))
			Eventually(ctx, inherited(ctx, part)).Should(Equal([]string{team.Spec.Tenant + " daily=5.00 monthly=100.00", ofCompany}))
		}
		update(ctx, team, func(b *v1alpha1.TenantBudget) { b.Spec.ParentRef.Name = "gone" })
		expectCondition(ctx, team, v1alpha1.ConditionAccepted, "False NotAllowedByParent")

		By("the parent changing: it follows at once, as if it had named it still")
		update(ctx, company, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "3.00" })
		inherits("daily=3.00 monthly=100.00")

		By("a successor taking over the parent's tenant")
		renamed := objects.TenantBudget(company.Namespace)
		renamed.Name, renamed.Spec.Limits[0].Amount = "renamed", "2.00"
		update(ctx, company, func(b *v1alpha1.TenantBudget) { b.Spec.SuccessorRef = &v1alpha1.SuccessorRef{Name: "renamed"} })
		create(ctx, renamed)
		expectProgrammed(ctx, renamed)
		remove(ctx, company)
		inherits("daily=2.00 monthly=100.00")
		update(ctx, renamed, func(b *v1alpha1.TenantBudget) { b.Spec.Breaker = &v1alpha1.Breaker{Forced: v1alpha1.BreakerOpen} })
		inherits("daily=2.00 monthly=100.00 Open")
		expectCondition(ctx, team, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
	})

	It("that named a parent which is not there may name another", func(ctx SpecContext) {
		startEnforcer(true)
		company := objects.TenantBudget(newNamespace(ctx))
		create(ctx, company)
		team := newChild(ctx, company)
		team.Spec.ParentRef.Name = "budgte"
		create(ctx, team)
		expectCondition(ctx, team, v1alpha1.ConditionAccepted, "False NotAllowedByParent")
		Expect(message(team, v1alpha1.ConditionAccepted)).To(HaveSuffix(
			`is not there, or does not allow this TenantBudget as a child; did you mean "` + company.Namespace + `/budget"?`))
		update(ctx, team, func(b *v1alpha1.TenantBudget) { b.Spec.ParentRef.Name = company.Name })
		expectProgrammed(ctx, team)
	})

	It("cannot leave the ancestor that its namespace demands", func(ctx SpecContext) {
		startEnforcer(true)
		company := objects.TenantBudget(newNamespace(ctx))
		team := objects.TenantBudget(newNamespace(ctx, v1alpha1.RequiredAncestorLabel+"="+company.Spec.Tenant))
		free := team.DeepCopy()
		team.Spec.ParentRef = &v1alpha1.ParentRef{Namespace: company.Namespace, Name: company.Name}
		create(ctx, company)
		create(ctx, team)
		expectProgrammed(ctx, team)

		By("being created again without its parent")
		Expect(api.Delete(ctx, team)).To(Succeed())
		Eventually(ctx, func() error { return get(ctx, team) }).Should(Satisfy(apierrors.IsNotFound))
		create(ctx, free)
		expectCondition(ctx, free, v1alpha1.ConditionAccepted, "False AncestorRequired")
		Expect(message(free, v1alpha1.ConditionAccepted)).To(Equal(fmt.Sprintf(
			`spec.parentRef: Required value: namespace %s is labelled bursar.dev/required-ancestor=%s: `+
				`name the TenantBudget of tenant %[2]s, or one below it, as the parent`, free.Namespace, company.Spec.Tenant)))
		Expect(condition(ctx, free, v1alpha1.ConditionStalled)()).To(Equal("True AncestorRequired"))
		Expect(stored(ctx, "tenant/"+free.Spec.Tenant)).To(BeEmpty())

		By("the namespace demanding it no longer")
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: free.Namespace}}
		update(ctx, namespace, func(n *corev1.Namespace) { delete(n.Labels, v1alpha1.RequiredAncestorLabel) })
		expectProgrammed(ctx, free)
	})

	It("may promise more than its parent has, which its parent says", func(ctx SpecContext) {
		startEnforcer(true)
		company := objects.TenantBudget(newNamespace(ctx))
		one, other := newChild(ctx, company), newChild(ctx, company)
		one.Spec.Limits[0].Amount, one.Spec.Limits[1].Amount = "2.00", "50.00"
		other.Spec.Limits[0].Amount, other.Spec.Limits[1].Amount = "3.00", "50.00"
		for _, budget := range []*v1alpha1.TenantBudget{company, one, other} {
			create(ctx, budget)
			expectProgrammed(ctx, budget)
		}
		expectCondition(ctx, company, v1alpha1.ConditionOvercommitted, "False ChildrenFit")
		update(ctx, other, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "3.01" })
		expectCondition(ctx, company, v1alpha1.ConditionOvercommitted, "True ChildrenExceedLimit")
		says := "limit daily has 5.00 USD, but the limits of its 2 children add up to 5.01 USD: calls that the children's own limits allow may be refused"
		Expect(message(company, v1alpha1.ConditionOvercommitted)).To(Equal(says))
		expectCondition(ctx, company, v1alpha1.ConditionReady, "True Enforced")
		Eventually(ctx, eventsOf(ctx, company, "Overcommitted")).Should(ConsistOf("Warning: " + says))
		remove(ctx, one)
		expectCondition(ctx, company, v1alpha1.ConditionOvercommitted, "False ChildrenFit")
	})
})
