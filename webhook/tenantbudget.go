package webhook

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/analysis"
	"github.com/bursar-dev/bursar/controllers/rules/change"
	"github.com/bursar-dev/bursar/history"
)

//+kubebuilder:webhook:path=/validate-bursar-dev-v1alpha1-tenantbudget,mutating=false,failurePolicy=ignore,sideEffects=NoneOnDryRun,timeoutSeconds=3,groups=bursar.dev,versions=v1alpha1,resources=tenantbudgets,verbs=create;update;delete,name=tenantbudgets.bursar.dev,admissionReviewVersions=v1,serviceName=bursar-webhook,serviceNamespace=bursar-system,patch=`{"matchConditions":[{"name":"spec-is-new","expression":"request.operation != 'UPDATE' || object.spec != oldObject.spec"}]}`

type tenantBudgets struct {
	reader   client.Reader
	analyzer *analysis.Analyzer
	counters Counters
	ledger   history.PastCalls
}

func (tenantBudgets) kind() string { return "TenantBudget" }

func (tenantBudgets) spec(budget *v1alpha1.TenantBudget) any { return budget.Spec }

func (b tenantBudgets) decide(ctx context.Context, budget *v1alpha1.TenantBudget) (acceptance.Decision, error) {
	decided, err := acceptance.DecideTenantBudget(ctx, b.reader, budget)
	return decided.Decision, err
}

func (b tenantBudgets) warn(ctx context.Context, was, is *v1alpha1.TenantBudget) []string {
	warnings := change.Warnings(was, is)
	decided, err := acceptance.DecideTenantBudget(ctx, b.reader, is)
	found, analyzeErr := b.analyzer.TenantBudget(ctx, is, decided.Document)
	warnings = append(warnings, possibleMistakes(ctx, found, analyzeErr)...)
	if err != nil || decided.Document == nil {
		return warnings
	}
	promised, err := change.Promising(ctx, b.reader, was, is)
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to find the family of a TenantBudget")
	}
	warnings = append(warnings, promised...)
	return append(warnings, b.refusing(ctx, was, is, *decided.Document)...)
}

// refusing are the warnings about calls that the limits refuse, or would have refused, and that
// they did not before; and about refused calls that they would have admitted.
func (b tenantBudgets) refusing(ctx context.Context, was, is *v1alpha1.TenantBudget, document limiterv1.Tenant) []string {
	if document.Enforcement == limiterv1.Shadow {
		return nil
	}
	before := change.Before(was)
	tighter, looser := change.Tightens(before.Level, document.Level), was != nil && change.Tightens(document.Level, before.Level)
	if !tighter && !looser {
		return nil
	}
	var warnings []string
	if tighter {
		warnings = b.stopping(ctx, before, document, is.Spec.Currency)
	}
	return append(warnings, replayed(ctx, b.reader, b.ledger, document, time.Now(), looser)...)
}

// stopping are the warnings about limits that refuse calls from now on, because of what is spent already.
func (b tenantBudgets) stopping(ctx context.Context, before, document limiterv1.Tenant, currency *v1alpha1.Currency) []string {
	counters, err := b.counters.Read(ctx, document.Root(), document.Tenant, document.Money...)
	if err != nil {
		// A tenant that is new has none, and others get no warning while Redis is away.
		log.FromContext(ctx).V(1).Info("Failed to read the spending of a tenant", "tenant", document.Tenant, "error", err.Error())
		return nil
	}
	spent := func(limit limiterv1.MoneyLimit, span period.Span) money.Nanos {
		spent, _ := counters.Money[limiterv1.MoneyField(limit)].In(span)
		return spent
	}
	return change.Stops(before.Level, document.Level, counters.Now, spent, currency)
}
