package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// recall reads the findings that were told, by this manager or another.
func (a *Auditor) recall(ctx context.Context) error {
	if a.known != nil {
		return nil
	}
	kept, err := a.kept.All(ctx)
	if err != nil {
		return err
	}
	known := map[string][]Finding{}
	for tenant, raw := range kept {
		var findings []Finding
		if json.Unmarshal(raw, &findings) == nil {
			known[tenant] = findings
		}
	}
	a.known = known
	a.measure()
	return nil
}

// keep keeps the findings about a tenant, in the place of those there were.
func (a *Auditor) keep(ctx context.Context, tenant string, findings []Finding) error {
	var raw []byte
	if len(findings) > 0 {
		var err error
		if raw, err = json.Marshal(findings); err != nil {
			return err
		}
	}
	if err := a.kept.Keep(ctx, tenant, raw); err != nil {
		return err
	}
	delete(a.known, tenant)
	if len(findings) > 0 {
		a.known[tenant] = findings
	}
	a.measure()
	return nil
}

// measure sets the metrics of what is known.
func (a *Auditor) measure() {
	s := a.summaryNow()
	tenantsWithDrift.Set(float64(s.WithDrift))
	tenantsWithWrongSums.Set(float64(s.WithWrongSums))
	drift.Set(float64(s.Drift) / float64(money.USD))
}

// summaryNow is how all tenants compare, as far as is known.
func (a *Auditor) summaryNow() budgetstore.AuditSummary {
	s := budgetstore.AuditSummary{Tenants: a.tenants}
	for _, findings := range a.known {
		if hasDrift(findings) {
			s.WithDrift++
		}
		if hasWrongSums(findings) {
			s.WithWrongSums++
		}
		for _, finding := range findings {
			if finding.Sums == "" {
				s.Drift += finding.drift()
			}
		}
	}
	return s
}

// summarize keeps a summary when a round has ended, and when something else is known than before.
func (a *Auditor) summarize(ctx context.Context, roundEnded bool) {
	s := a.summaryNow()
	if a.summaries == nil || a.known == nil || !roundEnded && s == a.summary {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := a.summaries.Keep(ctx, s); err != nil {
		if ctx.Err() == nil {
			log.FromContext(ctx).V(1).Info("Failed to keep a summary of audits", "error", err.Error())
		}
		return
	}
	a.summary = s
}

// hasDrift reports whether a counter differs from the ledger now. Counters that were broken do
// not count: they were mended, and only stay on record.
func hasDrift(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Broken == "" && f.Sums == "" })
}

// ofSums are the findings that are about sums of what was used.
func ofSums(findings []Finding) []Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f Finding) bool { return f.Sums == "" })
}

// hasWrongSums reports whether sums of usage differ from the ledger.
func hasWrongSums(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Sums != "" })
}

// aboutBudget refers to the budget that a document was compiled from.
func aboutBudget(source limiterv1.Source) corev1.ObjectReference {
	return events.Reference("TenantBudget", &metav1.ObjectMeta{Namespace: source.Namespace, Name: source.Name, UID: types.UID(source.UID)})
}

// driftFound is the Event of new findings.
func driftFound(fresh []Finding) events.Event {
	note := fresh[0].text()
	if more := len(fresh) - 1; more > 0 {
		note += fmt.Sprintf("; and %d more counters", more)
	}
	turn := ""
	for _, finding := range fresh {
		turn += fmt.Sprintf("%s by %s; ", finding.key(), finding.drift())
	}
	field := "spec.limits"
	if fresh[0].Limit != "" {
		field += "{" + fresh[0].Limit + "}"
	}
	return events.Event{
		Type: corev1.EventTypeWarning, Reason: v1alpha1.EventDriftFound, Action: "Audit", Note: note,
		Field: field, Turn: turn,
	}
}
