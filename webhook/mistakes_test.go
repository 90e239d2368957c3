package webhook_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// awaitWarning waits until the condition Warning has the status, and the message if it is not
// empty.
func awaitWarning(t *testing.T, o object, status metav1.ConditionStatus, message string) {
	t.Helper()
	testkit.EventuallySucceeds(t, o.GetNamespace()+"/"+o.GetName()+" Warning "+string(status), func() error {
		if err := api.Get(t.Context(), client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		warning := meta.FindStatusCondition(o.GetProgrammedStatus().Conditions, v1alpha1.ConditionWarning)
		if warning == nil || warning.ObservedGeneration != o.GetGeneration() {
			return errors.New("no condition of this generation")
		}
		if warning.Status != status || message != "" && warning.Message != message {
			return fmt.Errorf("%s: %s", warning.Status, warning.Message)
		}
		return nil
	})
}

// TestConditionSaysWhatTheWarningSays: what is warned of at apply is in the condition Warning,
// word for word, until the object or what it names is changed.
func TestConditionSaysWhatTheWarningSays(t *testing.T) {
	namespace := newNamespace(t)
	model := "gpt-" + namespace
	const perToken = `spec.models[0].prices.input: 0.0000025 USD per million tokens is less than any price known; write "2.50" if it is per token`
	provider := objects.ModelProvider(model)
	provider.Spec.Models[0].Prices.Input = "0.0000025"
	warned.take()
	expectAnswer(t, api.Create(t.Context(), provider), "", perToken)
	awaitWarning(t, provider, metav1.ConditionTrue, perToken)
	testkit.Must(t, update(t, provider, func(p *v1alpha1.ModelProvider) { p.Spec.Models[0].Prices.Input = "2.50" }))
	awaitWarning(t, provider, metav1.ConditionFalse, "")

	testkit.Must(t, update(t, provider, func(p *v1alpha1.ModelProvider) { p.Spec.Models[0].Prices.Output = "3" }))
	expectAnswer(t, update(t, provider, func(p *v1alpha1.ModelProvider) { p.Spec.Endpoint = "https://another.example/v1" }), "",
		"spec: replaces the existing ModelProvider "+provider.Name+", OpenAI at https://api.example.com/v1 without a credential, by OpenAI at https://another.example/v1 ")

	misspelt := fmt.Sprintf(`spec.limits[0].models[0]: no ModelProvider lists model "%sx"; did you mean %q?`, model, model)
	budget := budgetOf(namespace, func(b *v1alpha1.TenantBudget) {
		b.Spec.Limits[0].Models = []v1alpha1.ModelName{v1alpha1.ModelName(model + "x")}
	})
	warned.take()
	expectAnswer(t, api.Create(t.Context(), budget), "", misspelt)
	awaitWarning(t, budget, metav1.ConditionTrue, misspelt)
	lists := objects.ModelProvider(model + "x")
	create(t, lists)
	awaitWarning(t, budget, metav1.ConditionFalse, "")
	testkit.Must(t, api.Delete(t.Context(), lists))
	awaitWarning(t, budget, metav1.ConditionTrue, misspelt)
	awaitAccepted(t, budget, "True Accepted")
}

// TestTierThatNoRateLimitSelects: the key and the policy say that the users of a tier are not
// limited, until the policy selects it.
func TestTierThatNoRateLimitSelects(t *testing.T) {
	namespace := newNamespace(t)
	budget := objects.TenantBudget(namespace)
	create(t, budget)
	awaitSeen(t, budget)
	policy := objects.RateLimitPolicy(namespace, "tiers")
	policy.Spec.Limits[0].Tiers = []v1alpha1.Tier{"senior"}
	create(t, policy)
	awaitAccepted(t, policy, "True Accepted")
	senior, key := objects.APIKey(namespace, "senior"), objects.APIKey(namespace, "sernior")
	senior.Spec.Tier, key.Spec.Tier = "senior", "sernior"
	create(t, senior)
	warned.take()
	const unlimited = `spec.tier: is "sernior", which no rate limit selects; did you mean "senior"?`
	expectAnswer(t, api.Create(t.Context(), key), "", unlimited)
	awaitWarning(t, key, metav1.ConditionTrue, unlimited)
	awaitWarning(t, policy, metav1.ConditionTrue,
		fmt.Sprintf(`spec.limits: APIKey %s/sernior has tier "sernior", which no rate limit selects; did you mean "senior"?`, namespace))
	testkit.Must(t, update(t, policy, func(p *v1alpha1.RateLimitPolicy) { p.Spec.Limits[0].Tiers = []v1alpha1.Tier{"senior", "sernior"} }))
	awaitWarning(t, policy, metav1.ConditionFalse, "")
	awaitWarning(t, key, metav1.ConditionFalse, "")
}

// TestOutOfShadow: enforcing limits that are used up already gives the same warning as a new budget.
func TestOutOfShadow(t *testing.T) {
	budget := budgetOf(newNamespace(t), func(b *v1alpha1.TenantBudget) { b.Spec.Enforcement = v1alpha1.EnforcementShadow })
	testkit.Must(t, api.Create(t.Context(), budget))
	awaitSeen(t, budget)
	spend(t, budget, "Day", "7.00")
	warned.take()
	changed := budget.DeepCopy()
	changed.Spec.Enforcement = v1alpha1.EnforcementEnforce
	expectAnswer(t, api.Patch(t.Context(), changed, client.MergeFrom(budget), client.DryRunAll), "",
		"spec.limits[0].amount: limit daily is set to 5.00 USD and 7.00 are already spent: calls are refused until ")
}

// TestDeletion: the deletion of an object gives warnings about what ends with it.
func TestDeletion(t *testing.T) {
	namespace := newNamespace(t)
	parent, key, policy := objects.TenantBudget(namespace), objects.APIKey(namespace, "key"), objects.RateLimitPolicy(namespace, "policy")
	child := budgetOf(newNamespace(t), func(b *v1alpha1.TenantBudget) {
		b.Spec.ParentRef, b.Spec.Limits = &v1alpha1.ParentRef{Name: parent.Name, Namespace: namespace}, b.Spec.Limits[:1]
	})
	create(t, parent)
	awaitSeen(t, parent)
	create(t, child)
	awaitSeen(t, child)
	create(t, key)
	create(t, policy)
	awaitAccepted(t, key, "True Accepted")
	awaitAccepted(t, policy, "True Accepted")
	recordCalls(t, parent, 8, "0.50")
	for _, tc := range []struct {
		object client.Object
		want   []string
	}{
		{policy, []string{"these TenantBudgets lose these limits: " + namespace + "/budget"}},
		{key, nil},
		{parent, []string{
			"TenantBudgets that name this one as their parent keep the limits that they have, and changes of them have no effect until it exists again: " +
				child.Namespace + "/budget",
			"calls with the APIKeys that name this TenantBudget are refused: " + key.Name,
			"its limits counted 8 calls of the last 7 days, for 4.00 USD",
		}},
	} {
		// What the ledger does not say in time is not warned of.
		testkit.EventuallySucceeds(t, "the warnings of the deletion of "+tc.object.GetName(), func() error {
			warned.take()
			if err := api.Delete(t.Context(), tc.object, client.DryRunAll); err != nil {
				return err
			}
			if got := warned.take(); !slices.Equal(got, tc.want) {
				return fmt.Errorf("got %q, want %q", got, tc.want)
			}
			return nil
		})
	}
}
