package v1alpha1_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

var hash = strings.Repeat("0123456789abcdef", 4)

func key(change func(*v1alpha1.APIKeySpec)) client.Object {
	k := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "it"},
		Spec: v1alpha1.APIKeySpec{
			SHA256: hash, BudgetRef: v1alpha1.BudgetRef{Name: "acme"}, User: "reports@example.com", Tier: "gerente",
		},
	}
	change(&k.Spec)
	return k
}

var _ = DescribeTable("of an APIKey, refuses", refused,
	Entry("a key instead of its hash", key(func(s *v1alpha1.APIKeySpec) { s.SHA256 = "sk-secret" }),
		"spec.sha256", "must be the SHA-256 of the key"),
	Entry("a hash in capitals", key(func(s *v1alpha1.APIKeySpec) { s.SHA256 = strings.ToUpper(hash) }),
		"spec.sha256", "must be the SHA-256 of the key"),
	Entry("a hash that is too long", key(func(s *v1alpha1.APIKeySpec) { s.SHA256 = hash + "0" }),
		"spec.sha256", "may not be more than 64"),
	Entry("a key that nobody pays for", key(func(s *v1alpha1.APIKeySpec) { s.BudgetRef.Name = "" }),
		"spec.budgetRef.name", "should be at least 1 chars long"),
	Entry("a key of nobody", key(func(s *v1alpha1.APIKeySpec) { s.User = "" }),
		"spec.user", "should be at least 1 chars long"),
	Entry("a user with a colon, which would lead out of their own counters", key(func(s *v1alpha1.APIKeySpec) { s.User = "gerente-1:2" }),
		"spec.user", "must be letters, digits and"),
	Entry("a group with a colon", key(func(s *v1alpha1.APIKeySpec) { s.Groups = []v1alpha1.GivenGroup{"a:b"} }),
		"spec.groups[0]", "must be letters, digits and"),
	Entry("too many groups", key(func(s *v1alpha1.APIKeySpec) {
		for i := range 17 {
			s.Groups = append(s.Groups, v1alpha1.GivenGroup(fmt.Sprint("group-", i)))
		}
	}), "spec.groups", "must have at most 16 items"),
	Entry("a label that is too long", key(func(s *v1alpha1.APIKeySpec) { s.Labels = v1alpha1.CallerLabels{strings.Repeat("l", 64): "x"} }),
		"spec.labels", "must have names of letters, digits"),
	Entry("too many labels", key(func(s *v1alpha1.APIKeySpec) { s.Labels = labels(9) }), "spec.labels", "must have at most 8 items"),
	Entry("a user of a tier with blanks", key(func(s *v1alpha1.APIKeySpec) { s.Tier = "gran jefe" }),
		"spec.tier", "must be lower-case letters, digits and hyphens"),
	Entry("a key that has replaced itself", key(func(s *v1alpha1.APIKeySpec) {
		s.PreviousKeys = []v1alpha1.PreviousKey{{SHA256: hash, ExpiresAt: metav1.Now()}}
	}),
		"spec.previousKeys", "must not have the hash in sha256"),
	Entry("a previous key that never ends", key(func(s *v1alpha1.APIKeySpec) { s.PreviousKeys = []v1alpha1.PreviousKey{{SHA256: otherHash}} }),
		"spec.previousKeys[0].expiresAt", ""),
	Entry("a previous key instead of its hash", key(func(s *v1alpha1.APIKeySpec) {
		s.PreviousKeys = []v1alpha1.PreviousKey{{SHA256: "sk-secret", ExpiresAt: metav1.Now()}}
	}), "spec.previousKeys[0].sha256", "must be the SHA-256 of the key"),
	Entry("models by two wildcards", key(func(s *v1alpha1.APIKeySpec) { s.Models = []string{"*gpt*"} }),
		"spec.models[0]", "must be the name of a model, with one"),
	Entry("models by a blank", key(func(s *v1alpha1.APIKeySpec) { s.Models = []string{"gpt 4o"} }),
		"spec.models[0]", "must be the name of a model, with one"),
	Entry("to act for nobody", key(func(s *v1alpha1.APIKeySpec) { s.ActFor = &v1alpha1.ActFor{} }), "spec.actFor.users", ""),
	Entry("to act for users by two wildcards", key(func(s *v1alpha1.APIKeySpec) { s.ActFor = &v1alpha1.ActFor{Users: []string{"*a*"}} }),
		"spec.actFor.users[0]", "must be the name of a user, with one"),
	Entry("to act for letters that look alike", key(func(s *v1alpha1.APIKeySpec) { s.ActFor = &v1alpha1.ActFor{Users: []string{"\u0430na"}} }),
		"spec.actFor.users[0]", "must be the name of a user, with one"),
	Entry("to name tiers by a pattern", key(func(s *v1alpha1.APIKeySpec) {
		s.ActFor = &v1alpha1.ActFor{Users: []string{"*"}, Tiers: []v1alpha1.Tier{"*"}}
	}), "spec.actFor.tiers[0]", "must be lower-case letters, digits and hyphens"),
)

// otherHash is the hash of another key.
var otherHash = strings.Repeat("f", 64)

var _ = DescribeTable("of an APIKey, takes", taken,
	Entry("a key", key(asIs)),
	Entry("a key that has replaced another", key(func(s *v1alpha1.APIKeySpec) {
		s.PreviousKeys = []v1alpha1.PreviousKey{{SHA256: otherHash, ExpiresAt: metav1.Now()}}
	})),
	Entry("a key for some models", key(func(s *v1alpha1.APIKeySpec) {
		s.Models = []string{"gpt-4o-mini", "gpt-4o*", "*", "*/llama-3", "openai/*:free"}
	})),
	Entry("a key that acts for others", key(func(s *v1alpha1.APIKeySpec) {
		s.ActFor = &v1alpha1.ActFor{Users: []string{"*", "ana", "shop-*", "*@acme.example", "team-*-bot"}, Tiers: []v1alpha1.Tier{"gerente"}}
	})),
	Entry("a key of a group, with labels", key(func(s *v1alpha1.APIKeySpec) {
		s.Groups, s.Labels = []v1alpha1.GivenGroup{"research"}, v1alpha1.CallerLabels{"cost-centre": "4711"}
	})),
)
