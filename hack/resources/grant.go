package resources

import (
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// grant makes one that is valid.
func (m *Maker) grant() Resource { return valid(m.newGrant()) }

func (m *Maker) newGrant() *v1alpha1.BudgetGrant { return m.grantOf(pick(m, m.budgets...)) }

// grantOf makes a grant of a limit of a budget.
func (m *Maker) grantOf(budget *v1alpha1.TenantBudget) *v1alpha1.BudgetGrant {
	limit := pick(m, budget.Spec.Limits...)
	g := &v1alpha1.BudgetGrant{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "BudgetGrant"},
		ObjectMeta: metav1.ObjectMeta{Namespace: m.delegated, Name: m.name("grant")},
		Spec: v1alpha1.BudgetGrantSpec{
			BudgetRef: v1alpha1.BudgetRef{Name: budget.Name}, Limit: limit.Name,
			Amount: pick[v1alpha1.Amount](m, "0.000000001", "0.01", "5", "0005.5", "9000000"),
			Reason: pick(m, "x", "El cierre del trimestre. ¯\\_(ツ)_/¯", strings.Repeat("é", 512)),
			ExpiresAt: metav1.NewTime(pick(m,
				time.Date(2999, 12, 30, 23, 59, 59, 0, time.FixedZone("", 14*60*60)), time.Date(2998, 2, 28, 0, 0, 0, 0, time.UTC))),
		},
	}
	if limit.Per == v1alpha1.ScopeUser {
		g.Spec.User = pick(m, "", "gerente-1", "reports@example.com", strings.Repeat("u", 128))
	}
	if m.oneIn(3) {
		// A grant that has not started is programmed, too, and waits.
		g.Spec.StartsAt = ptr.To(metav1.NewTime(pick(m, time.Unix(0, 0), g.Spec.ExpiresAt.Add(-time.Second))))
	}
	return g
}

// wrongGrant makes a grant that adds to no existing budget.
func (m *Maker) wrongGrant() Resource {
	budget := pick(m, m.budgets...)
	g := m.grantOf(budget)
	switch m.IntN(4) {
	case 0:
		g.Spec.BudgetRef.Name = "nobody"
		return wrong(g, "spec.budgetRef.name", "is not there")
	case 1:
		g.Namespace = m.plain
		return wrong(g, "spec.budgetRef.name", "is in another namespace")
	case 2:
		g.Spec.Limit, g.Spec.User = "no-such-limit", ""
		return wrong(g, "spec.limit", "is not there")
	default:
		isWhole := func(l v1alpha1.MoneyLimit) bool { return l.Per != v1alpha1.ScopeUser }
		if i := slices.IndexFunc(budget.Spec.Limits, isWhole); i >= 0 {
			g.Spec.Limit, g.Spec.User = budget.Spec.Limits[i].Name, "gerente-1"
			return wrong(g, "spec.user", "is given what the whole tenant has")
		}
		g.Spec.StartsAt, g.Spec.ExpiresAt = nil, metav1.NewTime(time.Unix(0, 0))
		return wrong(g, "spec.expiresAt", "is long past")
	}
}

var grantFlaws = all(
	is("spec", nil, []any{}),
	is("spec.budgetRef", nil, "acme"),
	is("spec.budgetRef.name", nil, "", strings.Repeat("n", 254), 1),
	is("spec.limit", wrongNames...),
	is("spec.user", wrongUsers...),
	is("spec.amount", append(wrongAmounts, "0", "0.00", "000.000000000")...),
	is("spec.reason", nil, "", " ", "\t\r\n", strings.Repeat("x", 513), 5),
	is("spec.startsAt", "", "tomorrow", "2027-01-01", "2027-13-01T00:00:00Z", 1_800_000_000),
	is("spec.expiresAt", nil, "", "tomorrow", "2027-01-01", "2027-13-01T00:00:00Z", 1_800_000_000, "1999-12-31T23:59:59Z"),
	breaks("spec.expiresAt", "spec.startsAt", "3000-01-01T00:00:00Z"),
	is("spec.amountt", "5"),
)
