package webhook

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
)

//+kubebuilder:webhook:path=/validate-bursar-dev-v1alpha1-apikey,mutating=false,failurePolicy=ignore,sideEffects=None,timeoutSeconds=3,groups=bursar.dev,versions=v1alpha1,resources=apikeys,verbs=create;update,name=apikeys.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system,patch=`{"matchConditions":[{"name":"spec-is-new","expression":"request.operation == 'CREATE' || object.spec != oldObject.spec"}]}`

type apiKeys struct {
	reader   client.Reader
	analyzer *analysis.Analyzer
}

func (apiKeys) kind() string { return "APIKey" }

func (apiKeys) spec(key *v1alpha1.APIKey) any { return key.Spec }

func (k apiKeys) decide(ctx context.Context, key *v1alpha1.APIKey) (acceptance.Decision, error) {
	decided, err := acceptance.DecideAPIKey(ctx, k.reader, key)
	return decided.Decision, err
}

func (k apiKeys) warn(ctx context.Context, was, is *v1alpha1.APIKey) (warnings []string) {
	if expiry := is.Spec.ExpiresAt; expiry != nil && expiry.Time.Before(time.Now()) {
		warnings = append(warnings, "spec.expiresAt: "+expiry.UTC().Format(time.RFC3339)+" is in the past: calls with the key are refused")
	}
	if was != nil && was.Spec.BudgetRef != is.Spec.BudgetRef && !k.hasBudget(ctx, is) {
		warnings = append(warnings, fmt.Sprintf(
			"spec.budgetRef.name: calls with the key are refused until TenantBudget %q exists; TenantBudget %q is no longer charged",
			is.Spec.BudgetRef.Name, was.Spec.BudgetRef.Name))
	}
	found, err := k.analyzer.APIKey(ctx, is)
	return append(warnings, possibleMistakes(ctx, found, err)...)
}

// hasBudget reports whether the TenantBudget that the key names exists, as far as is known.
func (k apiKeys) hasBudget(ctx context.Context, key *v1alpha1.APIKey) bool {
	var budget v1alpha1.TenantBudget
	err := k.reader.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Spec.BudgetRef.Name}, &budget)
	return !apierrors.IsNotFound(err) && budget.DeletionTimestamp.IsZero()
}
