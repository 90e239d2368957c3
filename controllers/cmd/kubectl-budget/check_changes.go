package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/change"
	"github.com/bursar-dev/bursar/history"
)

// changes find what is surely not meant in how budgets of a file change those of the cluster.
type changes struct {
	// reader has the objects of the file, and those beside them; were are the budgets and
	// ModelProviders of the cluster, by their keys.
	reader    client.Reader
	were      map[client.ObjectKey]*v1alpha1.TenantBudget
	providers map[string]*v1alpha1.ModelProvider
	// ledger is nil where none is known.
	ledger *history.Reader
	// unreplayed is why changed limits were not replayed with the calls of the last days; empty
	// if they were, or if none has changed.
	unreplayed string
}

// newChanges compares with what is in the cluster.
func newChanges(reader client.Reader, there []client.Object) *changes {
	c := &changes{reader: reader, were: map[client.ObjectKey]*v1alpha1.TenantBudget{}, providers: map[string]*v1alpha1.ModelProvider{}}
	for _, object := range there {
		switch object := object.(type) {
		case *v1alpha1.TenantBudget:
			c.were[client.ObjectKeyFromObject(object)] = object
		case *v1alpha1.ModelProvider:
			c.providers[object.Name] = object
		}
	}
	return c
}

// openLedger opens the ledger, if one is named and the cluster is to be read.
func (c *changes) openLedger(ctx context.Context, o checkOptions) (closeIt func(), err error) {
	if o.local || !o.ledger.isNamed() {
		return func() {}, nil
	}
	c.ledger, closeIt, err = o.ledger.open(ctx)
	return closeIt, err
}

// of are the warnings about an object that is new, or changed.
func (c *changes) of(ctx context.Context, object client.Object, now time.Time) ([]string, error) {
	switch object := object.(type) {
	case *v1alpha1.TenantBudget:
		return c.ofBudget(ctx, object, now)
	case *v1alpha1.ModelProvider:
		was := c.providers[object.Name]
		return append(change.Provider(was, object), change.Prices(was, object, now)...), nil
	}
	return nil, nil
}

func (c *changes) ofBudget(ctx context.Context, is *v1alpha1.TenantBudget, now time.Time) ([]string, error) {
	was := c.were[client.ObjectKeyFromObject(is)]
	warnings := change.Warnings(was, is)
	decided, err := acceptance.DecideTenantBudget(ctx, c.reader, is)
	if err != nil || decided.Document == nil {
		return warnings, err
	}
	promised, err := change.Promising(ctx, c.reader, was, is)
	if err != nil {
		return nil, err
	}
	refusing, err := c.refusing(ctx, was, is, *decided.Document, now)
	return append(append(warnings, promised...), refusing...), err
}

// refusing are the warnings about limits that refuse calls, or would have refused them, and did
// not before, and about calls that would no longer be refused.
func (c *changes) refusing(
	ctx context.Context, was, is *v1alpha1.TenantBudget, document limiterv1.Tenant, now time.Time,
) (warnings []string, err error) {
	if was == nil || document.Enforcement == limiterv1.Shadow {
		return nil, nil
	}
	before := change.Before(was)
	tighter, looser := change.Tightens(before.Level, document.Level), change.Tightens(document.Level, before.Level)
	if tighter {
		warnings = change.Stops(before.Level, document.Level, now, spentBy(was, before), is.Spec.Currency)
	}
	if !tighter && !looser {
		return nil, nil
	}
	if c.ledger == nil {
		c.unreplayed = "set " + databaseVariable
		return warnings, nil
	}
	var budgets v1alpha1.TenantBudgetList
	if err := c.reader.List(ctx, &budgets); err != nil {
		return nil, err
	}
	result, err := history.Replay(ctx, c.ledger, document, budgets.Items, now.AddDate(0, 0, -change.LookBack), now)
	if err != nil {
		c.unreplayed = err.Error()
		return warnings, nil
	}
	return append(warnings, result.Warnings(document.Tenant, change.LookBack, looser)...), nil
}

// sayWhatIsLeft says which changes were not checked, and how to check them.
func (c *changes) sayWhatIsLeft(w io.Writer, local bool) {
	switch {
	case local:
		fmt.Fprintln(w, "not checked: what changes, such as a limit that is raised or removed; without --local, budgets are compared with those of the cluster")
	case c.unreplayed != "":
		fmt.Fprintf(w, "not checked: how many calls of the last %d days the changed limits would have refused or admitted: %s\n", change.LookBack, c.unreplayed)
	}
}

// spentBy is what the status of a budget says is spent of a limit that counts the same calls, in
// the same period.
func spentBy(was *v1alpha1.TenantBudget, before limiterv1.Tenant) change.Spent {
	return func(limit limiterv1.MoneyLimit, span period.Span) money.Nanos {
		earlier, _ := change.Counterpart(before.Level, limit)
		for _, status := range was.Status.Limits {
			if status.Name == earlier.Name && status.ResetsAt.Time.Equal(span.End) {
				spent, _ := money.Parse(status.Spent) // as the manager wrote it
				return spent
			}
		}
		return 0
	}
}
