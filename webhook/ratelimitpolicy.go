package webhook

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
)

//+kubebuilder:webhook:path=/validate-bursar-dev-v1alpha1-ratelimitpolicy,mutating=false,failurePolicy=ignore,sideEffects=NoneOnDryRun,timeoutSeconds=3,groups=bursar.dev,versions=v1alpha1,resources=ratelimitpolicies,verbs=create;update;delete,name=ratelimitpolicies.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system,patch=`{"matchConditions":[{"name":"spec-is-new","expression":"request.operation != 'UPDATE' || object.spec != oldObject.spec"}]}`

type rateLimitPolicies struct {
	reader   client.Reader
	analyzer *analysis.Analyzer
}

func (rateLimitPolicies) kind() string { return "RateLimitPolicy" }

func (rateLimitPolicies) spec(policy *v1alpha1.RateLimitPolicy) any { return policy.Spec }

func (p rateLimitPolicies) decide(ctx context.Context, policy *v1alpha1.RateLimitPolicy) (acceptance.Decision, error) {
	decided, err := acceptance.DecideRateLimitPolicy(ctx, p.reader, policy)
	return decided.Decision, err
}

func (p rateLimitPolicies) warn(ctx context.Context, was, is *v1alpha1.RateLimitPolicy) []string {
	decided, err := acceptance.DecideRateLimitPolicy(ctx, p.reader, is)
	if err != nil {
		return nil
	}
	found, err := p.analyzer.RateLimitPolicy(ctx, is, decided.Targets)
	return append(p.aiming(ctx, was, is, decided), possibleMistakes(ctx, found, err)...)
}

// aiming are the warnings about targets that may be a mistake: a selector that matches all
// budgets, targets that get none of the limits, and targets that lose them.
func (p rateLimitPolicies) aiming(
	ctx context.Context, was, is *v1alpha1.RateLimitPolicy, decided acceptance.RateLimitPolicy,
) []string {
	path := field.NewPath("spec", "targetSelector")
	var warnings []string
	selector := is.Spec.TargetSelector
	if decided.Holds() && selector != nil && len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		warnings = append(warnings, fmt.Sprintf("%s: without matchLabels and matchExpressions every TenantBudget of the namespaces is selected: now %d",
			path, len(decided.Targets)))
	}
	if leftOut := decided.LeftOut(); leftOut != "" {
		warnings = append(warnings, "spec.limits: "+leftOut)
	}
	if was == nil {
		return warnings
	}
	before, err := acceptance.DecideRateLimitPolicy(ctx, p.reader, was)
	if err != nil {
		return warnings
	}
	kept := sets.New[types.UID]()
	for _, target := range decided.Targets {
		kept.Insert(target.UID)
	}
	lost := slices.DeleteFunc(before.Targets, func(b *v1alpha1.TenantBudget) bool { return kept.Has(b.UID) })
	if len(lost) > 0 {
		warnings = append(warnings, "these TenantBudgets lose these limits: "+acceptance.Some(lost))
	}
	return warnings
}
