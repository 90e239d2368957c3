package api

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
)

// BudgetSpec is what the console may change of a TenantBudget, as it is written.
type BudgetSpec struct {
	Limits []WrittenLimit `json:"limits,omitempty" minItems:"1" maxItems:"16" doc:"All money limits. Absent in a change: they stay."`
	Ladder *[]WrittenRung `json:"ladder,omitempty" maxItems:"8" doc:"All rungs; none for an empty list. Absent in a change: they stay."`
	Alerts *WrittenAlerts `json:"alerts,omitempty" doc:"Who is told by e-mail. Absent in a change: that stays. Absent in an answer: nobody is, or you do not administer the tenant."`
}

// WrittenLimit is a money limit as it is written.
type WrittenLimit struct {
	Name   string `json:"name" maxLength:"63"`
	Per    string `json:"per" enum:"Tenant,User,Group,Key"`
	Period string `json:"period" maxLength:"32" example:"Month" doc:"Minute, Hour, Day, Week, Month, Quarter or Year, or a window such as 5m."`
	Amount string `json:"amount" maxLength:"32" example:"5.00" doc:"In the budget's currency."`
	Selection
}

// WrittenRung is a rung of the ladder as it is written.
type WrittenRung struct {
	AtPercent int32             `json:"atPercent" minimum:"1" maximum:"100"`
	Action    string            `json:"action" enum:"Warn,Downgrade,Trip"`
	Models    []Replacement     `json:"models,omitempty" maxItems:"64" doc:"Which model is called instead of which, of Downgrade."`
	Fallback  []string          `json:"fallback,omitempty" maxItems:"3" doc:"Of Trip, what is tried instead of refusing a call: Cache, CheapestModel, Message."`
	Message   string            `json:"message,omitempty" maxLength:"2048" doc:"What the fallback Message answers."`
	Cache     *CacheFallback    `json:"cache,omitempty" doc:"Of the fallback Cache."`
	Cheapest  *CheapestFallback `json:"cheapestModel,omitempty" doc:"Of the fallback CheapestModel."`
}

// Replacement says which model is called instead of which.
type Replacement struct {
	From string `json:"from" maxLength:"128"`
	To   string `json:"to" maxLength:"128"`
}

// CacheFallback is how old an answer may be.
type CacheFallback struct {
	MaxAge string `json:"maxAge,omitempty" maxLength:"32" example:"1h"`
}

// CheapestFallback is which models there are to choose from.
type CheapestFallback struct {
	Models []string `json:"models,omitempty" maxItems:"16"`
}

// WrittenAlerts says who is told by e-mail, and of what. Other channels name Secrets, and can only
// be changed in the TenantBudget itself.
type WrittenAlerts struct {
	Email   []string      `json:"email" nullable:"false" maxItems:"16" doc:"The addresses that are told."`
	Filters []AlertFilter `json:"filters,omitempty" maxItems:"16" doc:"Who is told of less than everything, other channels included."`
}

// BudgetChangeInput is a change of a budget.
type BudgetChangeInput struct {
	BudgetInput
	SeenParameter
	Body BudgetSpec
}

// ChangedBudget is a budget after a change.
type ChangedBudget struct {
	Budget
	Warnings []string `json:"warnings" nullable:"false" doc:"What the API server and Bursar's webhooks warn of."`
}

func (a *api) registerBudgetChanges(routes huma.API) {
	a.registerRates(routes)
	a.registerPreviews(routes)
	handle(a, routes, changing(http.MethodPatch, "changeBudget", "/budgets/{tenant}", "Budgets", "Change a budget",
		"Changes limits, the ladder, or who is told by e-mail. Admins of the platform may change all of it. An admin of the tenant may lower what the whole tenant may spend, and not raise it: "+
			"a limit per Tenant may be added or lowered, not raised, removed or made for fewer calls; the Trip rung may be lowered, not raised or removed; CheapestModel is no new fallback, and chooses of no fewer models. "+
			"Limits per User, Group and Key, other rungs and alerts are theirs to change."),
		func(ctx context.Context, who auth.Who, in *BudgetChangeInput) (*ChangedBudget, error) {
			seen, err := in.seen()
			if err != nil {
				return nil, err
			}
			budget, warnings, err := a.changeBudget(ctx, a.by(who), who, in.Tenant, seen, in.Body)
			if err != nil {
				return nil, err
			}
			changed, err := a.budgetOf(ctx, budget, auth.Admin)
			if err != nil {
				return nil, err
			}
			return &ChangedBudget{Budget: *changed, Warnings: append([]string{}, warnings...)}, nil
		})
}

// changeBudget changes the budget of a tenant that the caller administers.
func (a *api) changeBudget(
	ctx context.Context, by cluster.Writer, who auth.Who, tenant, seen string, to BudgetSpec,
) (*v1alpha1.TenantBudget, []string, error) {
	known, err := a.administered(ctx, who, tenant)
	if err != nil {
		return nil, nil, err
	}
	budget := &v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{Namespace: known.Namespace, Name: known.Name}}
	warnings, err := by.Change(ctx, budget, seen, func() error {
		if budget.Spec.Tenant != known.Spec.Tenant {
			return cluster.ErrStale // the name is that of another budget by now
		}
		before := budget.Spec.DeepCopy()
		if err := to.into(&budget.Spec); err != nil {
			return err
		}
		if who.IsPlatformAdmin {
			return nil
		}
		return reserved(before, &budget.Spec)
	})
	return budget, warnings, err
}

// into writes the members of a change into a spec.
func (b BudgetSpec) into(spec *v1alpha1.TenantBudgetSpec) error {
	if b.Limits != nil {
		spec.Limits = nil
		if err := convert(b.Limits, &spec.Limits); err != nil {
			return err
		}
	}
	if b.Ladder != nil {
		spec.Ladder = []v1alpha1.Rung{}
		if err := convert(*b.Ladder, &spec.Ladder); err != nil {
			return err
		}
	}
	if b.Alerts == nil {
		return nil
	}
	if spec.Alerts == nil {
		spec.Alerts = &v1alpha1.Alerts{}
	}
	spec.Alerts.Email, spec.Alerts.Filters = nil, nil
	if err := convert(b.Alerts, spec.Alerts); err != nil {
		return err
	}
	if len(spec.Alerts.Email) == 0 {
		spec.Alerts.Email = nil
	}
	if equality.Semantic.DeepEqual(*spec.Alerts, v1alpha1.Alerts{}) {
		spec.Alerts = nil
	}
	return nil
}

// writtenOf is a budget as it is written; without the alerts, if the role does not administer it.
func writtenOf(spec *v1alpha1.TenantBudgetSpec, role auth.Role) (written BudgetSpec, err error) {
	ladder := []WrittenRung{}
	if err := convert(spec.Limits, &written.Limits); err != nil {
		return written, err
	}
	if err := convert(spec.Ladder, &ladder); err != nil {
		return written, err
	}
	written.Ladder = &ladder
	if spec.Alerts != nil && role == auth.Admin {
		written.Alerts = &WrittenAlerts{Email: []string{}}
		err = convert(spec.Alerts, written.Alerts)
	}
	return written, err
}

// convert copies a value into one that has the same members in JSON.
func convert(from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}
