package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// mark begins to count.
func (b *bench) mark(ctx context.Context) (err error) {
	if b.writes, err = b.count(ctx); err != nil {
		return err
	}
	b.cost, err = b.spentUntilNow(ctx)
	return err
}

// wrote prints what the manager has written to the API server since the last mark, and what
// the stack has taken.
func (b *bench) wrote(ctx context.Context, in time.Duration) error {
	now, err := b.count(ctx)
	if err != nil {
		return err
	}
	all := 0.0
	for _, what := range slices.Sorted(maps.Keys(now)) {
		if n := now[what] - b.writes[what]; n > 0 {
			fmt.Printf("  %8.0f  %s\n", n, what)
			all += n
		}
	}
	fmt.Printf("%.0f writes of the manager to the API server in %.1f s: %.1f a second\n", all, in.Seconds(), all/in.Seconds())
	cost, err := b.spentUntilNow(ctx)
	if err != nil {
		return err
	}
	cost.printSince(b.cost)
	return nil
}

// count reads how many requests of the manager the API server has answered that
// write: the manager patches and applies objects, makes Events and renews its lease;
// this program creates and updates objects.
func (b *bench) count(ctx context.Context) (map[string]float64, error) {
	raw, err := b.raw.Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	counted := map[string]float64{}
	for _, metric := range families["apiserver_request_total"].GetMetric() {
		verb, resource, sub, code := label(metric, "verb"), label(metric, "resource"), label(metric, "subresource"), label(metric, "code")
		isOurs := label(metric, "group") == v1alpha1.GroupVersion.Group && (verb == "PATCH" || verb == "APPLY")
		isEvent := resource == "events" && (verb == "POST" || verb == "PATCH")
		isLease := resource == "leases" && verb == "PUT"
		if isOurs || isEvent || isLease {
			counted[fmt.Sprintf("%s %s %s %s", verb, resource, sub, code)] += metric.GetCounter().GetValue()
		}
	}
	return counted, nil
}

func label(metric *dto.Metric, name string) string {
	for _, pair := range metric.GetLabel() {
		if pair.GetName() == name {
			return pair.GetValue()
		}
	}
	return ""
}

// runs reports whether every enforcer runs the generation of the budget.
func (b *bench) runs(ctx context.Context, budget *v1alpha1.TenantBudget) (bool, error) {
	id := limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: budget.Spec.Tenant}
	observed, err := limiterstore.NewDocuments(b.redis).Observe(ctx, id)
	if err != nil || !observed.Contains(string(budget.UID), budget.Generation) {
		return false, err
	}
	running, all := observed.Running(observed.Revision)
	return all > 0 && running == all, nil
}
