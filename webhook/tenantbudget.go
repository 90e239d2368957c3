package webhook

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/compile"
)

//+kubebuilder:webhook:path=/validate-bursar-dev-v1alpha1-tenantbudget,mutating=false,failurePolicy=ignore,sideEffects=NoneOnDryRun,timeoutSeconds=3,groups=bursar.dev,versions=v1alpha1,resources=tenantbudgets,verbs=create;update;delete,name=tenantbudgets.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system,patch=`{"matchConditions":[{"name":"spec-is-new","expression":"request.operation != 'UPDATE' || object.spec != oldObject.spec"}]}`

type tenantBudgets struct {
	reader   client.Reader
	counters Counters
	ledger   PastCalls
}

func (tenantBudgets) kind() string { return "TenantBudget" }

func (tenantBudgets) spec(budget *v1alpha1.TenantBudget) any { return budget.Spec }

func (b tenantBudgets) decide(ctx context.Context, budget *v1alpha1.TenantBudget) (acceptance.Decision, error) {
	decided, err := acceptance.DecideTenantBudget(ctx, b.reader, budget)
	return decided.Decision, err
}

func (b tenantBudgets) warn(ctx context.Context, was, is *v1alpha1.TenantBudget) []string {
	var warnings []string
	if is.Spec.Enforcement == v1alpha1.EnforcementShadow && (was == nil || was.Spec.Enforcement != v1alpha1.EnforcementShadow) {
		warnings = append(warnings, fmt.Sprintf(
			"spec.enforcement: Shadow: this budget counts the spending of tenant %s, and does not limit it", is.Spec.Tenant))
	}
	if was != nil {
		warnings = append(warnings, raised(was.Spec.Limits, is.Spec.Limits)...)
	}
	warnings = append(warnings, unknown(ctx, b.reader, modelsOf(is.Spec))...)
	warnings = append(warnings, letsThrough(ctx, b.reader, is.Spec)...)
	decided, err := acceptance.DecideTenantBudget(ctx, b.reader, is)
	if err != nil || decided.Document == nil {
		return warnings
	}
	warnings = append(warnings, unreserved(*decided.Document)...)
	warnings = append(warnings, promising(ctx, b.reader, was, is)...)
	return append(warnings, b.refusing(ctx, was, *decided.Document)...)
}

// unreserved is the warning of a tenant whose calls are to be admitted while Redis is
// unreachable, and which has an ancestor that does not allow that.
func unreserved(document limiterv1.Tenant) []string {
	if document.StoreLossPercent == 0 {
		return nil
	}
	for _, ancestor := range document.Ancestors {
		if ancestor.StoreLossPercent == 0 {
			return []string{fmt.Sprintf("spec.onStoreLoss: AllowBounded has no effect below tenant %s: "+
				"set onStoreLoss: AllowBounded there, too", ancestor.Tenant)}
		}
	}
	return nil
}

// steep is from how many times as much on a raise is worth a second look: a digit
// too many makes it ten.
const steep = 10

// raised are the warnings of limits that were raised steeply.
func raised(were, are []v1alpha1.MoneyLimit) []string {
	amounts := map[string]v1alpha1.Amount{}
	for _, limit := range were {
		amounts[limit.Name] = limit.Amount
	}
	var warnings []string
	for i, limit := range are {
		path := field.NewPath("spec", "limits").Index(i).Child("amount")
		before, _ := money.Parse(string(amounts[limit.Name]))
		after, err := money.Parse(string(limit.Amount))
		if err == nil && before > 0 && after/before >= steep {
			warnings = append(warnings, fmt.Sprintf("%s: limit %s is raised from %s to %s USD, %d times as much",
				path, limit.Name, before, after, after/before))
		}
	}
	return warnings
}

// refusing are the warnings of limits by which calls are refused, or would have been,
// that were not before.
func (b tenantBudgets) refusing(ctx context.Context, was *v1alpha1.TenantBudget, document limiterv1.Tenant) []string {
	if document.Enforcement == limiterv1.Shadow {
		return nil
	}
	var before limiterv1.Tenant
	if was != nil {
		before, _ = compile.Tenant(was, nil, nil)
	}
	if !tightens(before.Level, document.Level) {
		return nil
	}
	var warnings []string
	counters, err := b.counters.Read(ctx, document.Root(), document.Tenant, document.Money...)
	if err == nil {
		warnings = stops(before.Level, document.Level, counters)
	} else {
		// A tenant that is new has none, and others get no warning while Redis is away.
		log.FromContext(ctx).V(1).Info("Failed to read the spending of a tenant", "tenant", document.Tenant, "error", err.Error())
	}
	return append(warnings, replayed(ctx, b.reader, b.ledger, document, time.Now())...)
}
