package webhook

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
)

//+kubebuilder:webhook:path=/validate-bursar-dev-v1alpha1-budgetgrant,mutating=false,failurePolicy=ignore,sideEffects=NoneOnDryRun,timeoutSeconds=3,groups=bursar.dev,versions=v1alpha1,resources=budgetgrants,verbs=create,name=budgetgrants.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system

type budgetGrants struct {
	reader   client.Reader
	analyzer *analysis.Analyzer
}

func (budgetGrants) kind() string { return "BudgetGrant" }

func (budgetGrants) spec(grant *v1alpha1.BudgetGrant) any { return grant.Spec }

func (g budgetGrants) decide(ctx context.Context, grant *v1alpha1.BudgetGrant) (acceptance.Decision, error) {
	decided, err := acceptance.DecideBudgetGrant(ctx, g.reader, grant)
	return decided.Decision, err
}

func (g budgetGrants) warn(ctx context.Context, _, grant *v1alpha1.BudgetGrant) []string {
	if expiry := grant.Spec.ExpiresAt; expiry.Time.Before(time.Now()) {
		return []string{"spec.expiresAt: " + expiry.UTC().Format(time.RFC3339) + " is in the past: nothing is granted"}
	}
	decided, err := acceptance.DecideBudgetGrant(ctx, g.reader, grant)
	if err != nil {
		return nil
	}
	found, err := g.analyzer.BudgetGrant(ctx, grant, decided.Budget)
	return possibleMistakes(ctx, found, err)
}
