package v1alpha1_test

import (
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func grant(change func(*v1alpha1.BudgetGrantSpec)) client.Object {
	g := &v1alpha1.BudgetGrant{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "it"},
		Spec: v1alpha1.BudgetGrantSpec{
			BudgetRef: v1alpha1.BudgetRef{Name: "acme"}, Limit: "daily", Amount: "5.00",
			Reason: "end of the quarter", ExpiresAt: metav1.NewTime(noon),
		},
	}
	change(&g.Spec)
	return g
}

var _ = DescribeTable("of a BudgetGrant, refuses", refused,
	Entry("a grant to no budget", grant(func(s *v1alpha1.BudgetGrantSpec) { s.BudgetRef.Name = "" }),
		"spec.budgetRef.name", "should be at least 1 chars long"),
	Entry("a grant of no limit", grant(func(s *v1alpha1.BudgetGrantSpec) { s.Limit = "" }),
		"spec.limit", "should be at least 1 chars long"),
	Entry("what is no limit's name", grant(func(s *v1alpha1.BudgetGrantSpec) { s.Limit = "Daily limit" }),
		"spec.limit", "must be the name of a limit"),
	Entry("what is no user's name", grant(func(s *v1alpha1.BudgetGrantSpec) { s.User = "gerente 1" }),
		"spec.user", "must be the user of an APIKey"),
	Entry("what is no APIKey's name", grant(func(s *v1alpha1.BudgetGrantSpec) { s.APIKey = "acme/ci" }),
		"spec.apiKey", "must be the name of an APIKey"),
	Entry("a grant to a user and a group", grant(func(s *v1alpha1.BudgetGrantSpec) { s.User, s.Group = "ana", "research" }),
		"spec", "must set at most one of user, group and apiKey"),
	Entry("nothing", grant(func(s *v1alpha1.BudgetGrantSpec) { s.Amount = "0.00" }),
		"spec.amount", "must be more than 0"),
	Entry("less than nothing", grant(func(s *v1alpha1.BudgetGrantSpec) { s.Amount = "-5.00" }),
		"spec.amount", "must not be negative"),
	Entry("more than can be counted", grant(func(s *v1alpha1.BudgetGrantSpec) { s.Amount = "9000000.01" }),
		"spec.amount", "is too large"),
	Entry("no reason", grant(func(s *v1alpha1.BudgetGrantSpec) { s.Reason = "" }),
		"spec.reason", "should be at least 1 chars long"),
	Entry("a reason that says nothing", grant(func(s *v1alpha1.BudgetGrantSpec) { s.Reason = " \n" }),
		"spec.reason", "must say why"),
	Entry("a reason that is a story", grant(func(s *v1alpha1.BudgetGrantSpec) { s.Reason = strings.Repeat("x", 513) }),
		"spec.reason", "may not be more than 512"),
	Entry("a grant that is over before it begins", grant(func(s *v1alpha1.BudgetGrantSpec) { s.StartsAt = ptr.To(s.ExpiresAt) }),
		"spec.expiresAt", "must be after startsAt"),
	Entry("a grant for ever", grant(func(s *v1alpha1.BudgetGrantSpec) { s.ExpiresAt = metav1.Time{} }),
		"spec.expiresAt", "Required value"),
)

var _ = DescribeTable("of a BudgetGrant, takes", taken,
	Entry("a grant", grant(asIs)),
	Entry("a grant of a nano-dollar", grant(func(s *v1alpha1.BudgetGrantSpec) { s.Amount = "0.000000001" })),
	Entry("a grant to one user", grant(func(s *v1alpha1.BudgetGrantSpec) { s.User = "reports@example.com" })),
	Entry("a grant to one group", grant(func(s *v1alpha1.BudgetGrantSpec) { s.Group = "Equipo de Investigación" })),
	Entry("a grant to one key", grant(func(s *v1alpha1.BudgetGrantSpec) { s.APIKey = "ci" })),
	Entry("a grant that begins later", grant(func(s *v1alpha1.BudgetGrantSpec) {
		s.StartsAt = ptr.To(metav1.NewTime(s.ExpiresAt.Add(-time.Second)))
	})),
)

var _ = It("does not let change a grant", func(ctx SpecContext) {
	g := grant(asIs).(*v1alpha1.BudgetGrant)
	Expect(api.Create(ctx, g)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) { Expect(api.Delete(ctx, g)).To(Succeed()) })
	for name, change := range map[string]func(*v1alpha1.BudgetGrantSpec){
		"amount":    func(s *v1alpha1.BudgetGrantSpec) { s.Amount = "50.00" },
		"reason":    func(s *v1alpha1.BudgetGrantSpec) { s.Reason = "another" },
		"expiresAt": func(s *v1alpha1.BudgetGrantSpec) { s.ExpiresAt = metav1.NewTime(noon.Add(time.Hour)) },
		"startsAt":  func(s *v1alpha1.BudgetGrantSpec) { s.StartsAt = ptr.To(metav1.NewTime(noon.Add(-time.Hour))) },
	} {
		By(name)
		changed := g.DeepCopy()
		change(&changed.Spec)
		expectRefusal(api.Update(ctx, changed), "spec", "cannot be changed")
	}
})
