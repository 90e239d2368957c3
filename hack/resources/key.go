package resources

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// key makes one that is valid.
func (m *Maker) key() Resource {
	k := m.newKey()
	m.keys = append(m.keys, k)
	return valid(k)
}

func (m *Maker) newKey() *v1alpha1.APIKey {
	k := &v1alpha1.APIKey{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "APIKey"},
		ObjectMeta: metav1.ObjectMeta{Namespace: m.delegated, Name: m.name("key")},
		Spec: v1alpha1.APIKeySpec{
			SHA256:    fmt.Sprintf("%016x%016x%016x%016x", m.Uint64(), m.Uint64(), m.Uint64(), m.Uint64()),
			BudgetRef: v1alpha1.BudgetRef{Name: pick(m, m.budgets...).Name},
			User:      pick(m, "gerente-1", "reports@example.com", "A", "0", strings.Repeat("u", 128), "a+b_c.d-e"),
			Tier:      pick(m, tiers...),
		},
	}
	if m.oneIn(3) {
		// An expired key is valid: its status says that it is expired, and calls are refused.
		at := pick(m, time.Unix(0, 0), time.Date(2999, 12, 31, 23, 59, 59, 0, time.FixedZone("", 14*60*60)))
		k.Spec.ExpiresAt = ptr.To(metav1.NewTime(at))
	}
	if m.oneIn(3) {
		k.Spec.Groups = some(m, 16, "research", "A", "a.b_c-d", v1alpha1.GivenGroup(strings.Repeat("g", 63)))
		k.Spec.Labels = pick(m, labels...)
	}
	if m.oneIn(3) {
		k.Spec.Models = pick(m, []string{"gpt-4o-mini", "gpt-4o*"}, []string{"*"}, []string{"openai/*:free"})
	}
	if m.oneIn(3) {
		k.Spec.ActFor = &v1alpha1.ActFor{Users: pick(m, []string{"*"}, []string{"shop-*", "*@example.com", "ana"})}
		if m.oneIn(2) {
			k.Spec.ActFor.Tiers = []v1alpha1.Tier{pick(m, tiers...)}
		}
		if m.oneIn(2) {
			k.Spec.ActFor.Groups = pick(m, []string{"*"}, []string{"team-*", "research"})
		}
	}
	if m.oneIn(3) {
		replaced := fmt.Sprintf("%016x%048x", m.Uint64(), m.Uint64())
		k.Spec.PreviousKeys = []v1alpha1.PreviousKey{{SHA256: replaced, ExpiresAt: metav1.NewTime(pick(m, time.Unix(0, 0), time.Unix(4e9, 0)))}}
	}
	return k
}
