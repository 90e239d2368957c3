package cluster

import (
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/fakecache"
)

func hashOf(key string) [sha256.Size]byte { return sha256.Sum256([]byte(key)) }

func digitsOf(key string) string {
	hash := hashOf(key)
	return hex.EncodeToString(hash[:])
}

func status(accepted metav1.ConditionStatus, generation int64) []metav1.Condition {
	return []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: accepted, ObservedGeneration: generation}}
}

// state is a namespace at a moment: a budget, an APIKey and a Membership.
type state struct {
	budget, key, membership metav1.ConditionStatus
	// hash is of the APIKey's key, and previous that of the one before.
	hash, previous string
	member         string
	// observed is the generation that the manager has looked at, of 2.
	observed int64
}

func (s state) objects() (budget *v1alpha1.TenantBudget, key *v1alpha1.APIKey, membership *v1alpha1.Membership) {
	meta := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "acme", Name: name, Generation: 2, UID: types.UID(name)}
	}
	budget = &v1alpha1.TenantBudget{ObjectMeta: meta("budget"), Spec: v1alpha1.TenantBudgetSpec{Tenant: "acme"}}
	budget.Status.Conditions = status(s.budget, s.observed)
	key = &v1alpha1.APIKey{ObjectMeta: meta("key"), Spec: v1alpha1.APIKeySpec{
		SHA256: digitsOf(s.hash), BudgetRef: v1alpha1.BudgetRef{Name: "budget"}, User: "ana", Tier: "gerente",
	}}
	if s.previous != "" {
		key.Spec.PreviousKeys = []v1alpha1.PreviousKey{{SHA256: digitsOf(s.previous), ExpiresAt: metav1.NewTime(time.Now().Add(time.Hour))}}
	}
	key.Status.Conditions = status(s.key, s.observed)
	membership = &v1alpha1.Membership{ObjectMeta: meta("people"), Spec: v1alpha1.MembershipSpec{
		BudgetRef: v1alpha1.BudgetRef{Name: "budget"}, IdentityProviderRef: v1alpha1.IdentityProviderRef{Name: "company"},
		Members: []v1alpha1.Member{{Subject: s.member, Admin: true}},
	}}
	membership.Status.Conditions = status(s.membership, s.observed)
	return budget, key, membership
}

// TestWhoMayAsk: keys and members count as the manager has accepted them, and stay while it
// has not looked at what they have become.
func TestWhoMayAsk(t *testing.T) {
	const yes, no, observed = metav1.ConditionTrue, metav1.ConditionFalse, 2
	c := &Cluster{
		Known: identify.NewKnown(), log: slog.New(slog.DiscardHandler),
		keys: map[types.NamespacedName]registered{}, memberships: map[types.NamespacedName]bool{},
	}
	for _, step := range []struct {
		name string
		state
		wantKeys, wantMembers []string
	}{
		{"waits for the manager", state{yes, yes, yes, "one", "", "ana", 1}, nil, nil},
		{"is accepted", state{yes, yes, yes, "one", "", "ana", observed}, []string{"one"}, []string{"ana"}},
		{"is changed, and waits", state{yes, yes, yes, "two", "one", "bob", 1}, []string{"one"}, []string{"ana"}},
		{"is replaced", state{yes, yes, yes, "two", "one", "bob", observed}, []string{"one", "two"}, []string{"bob"}},
		{"is taken back", state{yes, yes, yes, "two", "", "bob", observed}, []string{"two"}, []string{"bob"}},
		{"is refused", state{yes, no, no, "two", "", "bob", observed}, nil, nil},
		{"is accepted again", state{yes, yes, yes, "two", "", "bob", observed}, []string{"two"}, []string{"bob"}},
		{"has no budget any more", state{no, yes, yes, "two", "", "bob", observed}, nil, nil},
	} {
		budget, key, membership := step.objects()
		c.client = fakecache.New(t, budget, key, membership)
		testkit.Must(t, c.takeNamespace(t.Context(), "acme"))
		for _, value := range []string{"one", "two"} {
			if known := len(c.Credentials(hashOf(value))) == 1; known != slices.Contains(step.wantKeys, value) {
				t.Errorf("%s: key %s is known: %v", step.name, value, known)
			}
		}
		for _, subject := range []string{"ana", "bob"} {
			tenancies := c.Members().Tenancies(identity.Claims{Provider: "company", Subject: subject, User: subject})
			if is := len(tenancies) == 1 && tenancies[0].Admin; is != slices.Contains(step.wantMembers, subject) {
				t.Errorf("%s: %s is an admin: %v", step.name, subject, is)
			}
		}
	}
}
