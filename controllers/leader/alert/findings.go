package alert

import (
	"context"
	"errors"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

const (
	// checkTimeout bounds a check, which a status waits for.
	checkTimeout = 2 * time.Second
	// A check that has found nothing wrong is believed for the one, and a check that
	// has failed for the other: Secrets are not watched, and each check is a request
	// to the API server.
	believed     = 10 * time.Minute
	looksAgainIn = 5 * time.Second
)

// findings are what is known of whether alerts can be delivered.
type findings struct {
	mu sync.Mutex
	// checked is what looking at the settings of budgets found.
	checked map[types.UID]finding
	// failing says, by budget, why a delivery failed that waits for another attempt.
	failing map[string]string
}

// finding is what looking at the settings of a budget's generation found.
type finding struct {
	generation int64
	until      time.Time
	failure    *failure
}

// Verdict says whether alerts of the budget fail to reach a recipient.
// REQUIRES: the budget has spec.alerts.
func (d *Deliverer) Verdict(ctx context.Context, budget *v1alpha1.TenantBudget) verdict.Verdict {
	if why := d.checked(ctx, budget); why != nil {
		return verdict.Verdict{Status: metav1.ConditionTrue, Reason: why.reason, Message: why.message}
	}
	d.findings.mu.Lock()
	defer d.findings.mu.Unlock()
	if why := d.findings.failing[string(budget.UID)]; why != "" {
		return verdict.Verdict{Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonDeliveryFailing, Message: why}
	}
	return verdict.Verdict{Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonAlertsDeliverable,
		Message: "no failed deliveries are pending"}
}

// Forget forgets a budget that is gone.
func (d *Deliverer) Forget(budget types.UID) {
	d.findings.mu.Lock()
	defer d.findings.mu.Unlock()
	delete(d.findings.checked, budget)
}

// checked is what stands in the way of all deliveries by a channel of the budget.
func (d *Deliverer) checked(ctx context.Context, budget *v1alpha1.TenantBudget) *failure {
	now := time.Now()
	d.findings.mu.Lock()
	found, known := d.findings.checked[budget.UID]
	d.findings.mu.Unlock()
	if known && found.generation == budget.Generation && now.Before(found.until) {
		return found.failure
	}
	found = finding{generation: budget.Generation, until: now.Add(believed), failure: d.check(ctx, budget)}
	if found.failure != nil {
		found.until = now.Add(looksAgainIn)
	}
	d.findings.mu.Lock()
	defer d.findings.mu.Unlock()
	if d.findings.checked == nil {
		d.findings.checked = map[types.UID]finding{}
	}
	d.findings.checked[budget.UID] = found
	return found.failure
}

func (d *Deliverer) check(ctx context.Context, budget *v1alpha1.TenantBudget) *failure {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	for _, recipient := range budgetstore.Recipients(budget.Spec.Alerts) {
		err := d.channels[recipient.Channel].check(ctx, budget)
		var why *failure
		if errors.As(err, &why) {
			return why
		}
	}
	return nil
}

// watch looks, now and then, at which deliveries fail, and at what is resolved.
func (d *Deliverer) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if err := d.look(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Failed to check the deliveries of alerts; will retry")
		}
		select {
		case <-ctx.Done():
		case <-time.After(d.pauses.look):
		}
	}
}

func (d *Deliverer) look(ctx context.Context) error {
	failing, err := d.outbox.Failing(ctx)
	if err != nil {
		return err
	}
	d.findings.mu.Lock()
	d.findings.failing = failing
	d.findings.mu.Unlock()
	if err := d.outbox.AbandonMuted(ctx); err != nil {
		return err
	}
	added, err := d.outbox.AnnounceResolutions(ctx, 2*KeepTrying)
	if added > 0 {
		d.Wake()
	}
	return err
}
