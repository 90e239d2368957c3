package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bursar-dev/bursar/api/compile"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
	"github.com/bursar-dev/bursar/history"
	"github.com/bursar-dev/bursar/history/replay"
)

// DaysParameter is how many days back a change is replayed.
type DaysParameter struct {
	Days int `query:"days" minimum:"1" maximum:"30" default:"7" doc:"With the calls of how many days the change is replayed."`
}

// BudgetPreviewInput is a change of a budget to try out.
type BudgetPreviewInput struct {
	BudgetInput
	DaysParameter
	Body BudgetSpec
}

// RatesPreviewInput is a change of a RateLimitPolicy to try out.
type RatesPreviewInput struct {
	PolicyInput
	DaysParameter
	Body RatesSpec
}

// Preview says what would happen if a change were made.
type Preview struct {
	Tenant   string   `json:"tenant"`
	Problem  *Problem `json:"problem,omitempty" doc:"What the change would be answered with. Absent: it would be made."`
	Warnings []string `json:"warnings" nullable:"false" doc:"What the API server and Bursar's webhooks warn of."`
	Replay   *Replay  `json:"replay,omitempty" doc:"What the limits would have done in the past. Absent: the limits are not valid."`
}

// Replay is what limits would have done with the calls of the past.
type Replay struct {
	From        time.Time        `json:"from"`
	To          time.Time        `json:"to"`
	Admitted    Tally            `json:"admitted" doc:"The calls that were made then."`
	Refused     Tally            `json:"refused" doc:"Those of them that would be refused."`
	WereRefused Tally            `json:"wereRefused" doc:"The calls that money refused then."`
	Fitting     Tally            `json:"fitting" doc:"Those of them that would be admitted; cost is estimated."`
	Limits      []ReplayedLimit  `json:"limits" nullable:"false" doc:"What each limit would have done."`
	Users       []ReplayedUser   `json:"users" nullable:"false" doc:"The users of the tenant of whose calls some would be refused, most refused first."`
	NotLookedAt []string         `json:"notLookedAt" nullable:"false" doc:"What applies to the tenant, too, and was not replayed."`
	Below       *ReplayedTenants `json:"below,omitempty" doc:"What would have become of calls of tenants below. Absent: none of them would be refused."`
}

// Tally is a number of calls, and what they cost.
type Tally struct {
	Calls int64 `json:"calls"`
	Cost  Money `json:"cost"`
}

// ReplayedLimit is what a limit would have done.
type ReplayedLimit struct {
	Tenant      string     `json:"tenant" doc:"Whose limit it is."`
	Limit       string     `json:"limit" doc:"Its name; of a rate limit, with its policy's before it. Empty: the breaker is forced open."`
	Per         string     `json:"per,omitempty"`
	Refused     Tally      `json:"refused"`
	TrippedAt   *time.Time `json:"trippedAt,omitempty" doc:"When its Trip rung would first have been reached. Absent: it would not."`
	ExhaustedAt *time.Time `json:"exhaustedAt,omitempty" doc:"When it would first have had too little left for a call. Absent: it would not."`
}

// ReplayedUser is how a user would have fared.
type ReplayedUser struct {
	User     string `json:"user"`
	Admitted Tally  `json:"admitted"`
	Refused  Tally  `json:"refused"`
}

// ReplayedTenants are the calls of other tenants.
type ReplayedTenants struct {
	Refused Tally `json:"refused"`
}

func (a *api) registerPreviews(routes huma.API) {
	const description = "Has the API server, and Bursar's webhooks, check a change without making it, and says what the limits would have done with the calls of the last days. For those who may make it."
	handle(a, routes, bounded(changing(http.MethodPost, "previewBudget", "/budgets/{tenant}/preview", "Budgets", "What a change of a budget would do", description)),
		func(ctx context.Context, who auth.Who, in *BudgetPreviewInput) (*Preview, error) {
			budget, err := a.administered(ctx, who, in.Tenant)
			if err != nil {
				return nil, err
			}
			changed := budget.DeepCopy()
			if err := in.Body.into(&changed.Spec); err != nil {
				return nil, err
			}
			policies, err := a.Cluster.Policies(ctx, budget)
			if err != nil {
				return nil, err
			}
			_, warnings, err := a.changeBudget(ctx, a.by(who).Trying(), who, in.Tenant, "", in.Body)
			return a.preview(ctx, who, warnings, err, changed, policies, in.Days)
		})
	handle(a, routes, bounded(changing(http.MethodPost, "previewRates", "/budgets/{tenant}/rates/{policy}/preview", "Budgets", "What a change of rate limits would do", description)),
		func(ctx context.Context, who auth.Who, in *RatesPreviewInput) (*Preview, error) {
			budget, err := a.administered(ctx, who, in.Tenant)
			if err != nil {
				return nil, err
			}
			policies, err := a.Cluster.Policies(ctx, budget)
			if err != nil {
				return nil, err
			}
			for i := range policies {
				if policies[i].Name == in.Policy && policies[i].Namespace == budget.Namespace {
					policies[i] = *policies[i].DeepCopy()
					policies[i].Spec.Limits = nil
					if err := convert(in.Body.Limits, &policies[i].Spec.Limits); err != nil {
						return nil, err
					}
				}
			}
			_, warnings, err := a.changeRates(ctx, a.by(who).Trying(), who, in.PolicyInput, "", in.Body)
			if errors.Is(err, cluster.ErrNone) {
				return nil, err
			}
			return a.preview(ctx, who, warnings, err, budget, policies, in.Days)
		})
}

// preview is the result of trying a change, and of replaying past calls under a budget with
// policies.
func (a *api) preview(
	ctx context.Context, who auth.Who, warnings []string, failed error, budget *v1alpha1.TenantBudget, policies []v1alpha1.RateLimitPolicy, days int,
) (*Preview, error) {
	p := &Preview{Tenant: budget.Spec.Tenant, Warnings: append([]string{}, warnings...)}
	if failed != nil {
		explained := a.explained(ctx, failed)
		if !errors.As(explained, &p.Problem) || p.Problem.Status >= http.StatusInternalServerError {
			return nil, explained
		}
	}
	document, unknown, err := a.documentOf(ctx, who, budget, policies)
	if err != nil || document == nil {
		return p, err
	}
	p.Replay, err = a.replayed(ctx, *document, unknown, days)
	return p, err
}

// documentOf is a budget as enforcers run it, as far as the caller may know: only the platform may
// know the limits of the tenants above. It is nil if the limits are not valid.
func (a *api) documentOf(
	ctx context.Context, who auth.Who, budget *v1alpha1.TenantBudget, policies []v1alpha1.RateLimitPolicy,
) (document *limiterv1.Tenant, unknown []string, err error) {
	unknown = []string{}
	var ancestors []compile.Ancestor
	above, err := a.Cluster.AncestorBudgets(ctx, budget)
	if err != nil {
		return nil, nil, err
	}
	for i := range above {
		ofAncestor, err := a.Cluster.Policies(ctx, &above[i])
		if err != nil {
			return nil, nil, err
		}
		ancestor, errs := compile.NewAncestor(&above[i], ofAncestor, nil)
		if len(errs) > 0 {
			return nil, nil, nil
		}
		ancestors = append(ancestors, ancestor)
	}
	compiled, errs := compile.Tenant(budget, policies, nil, ancestors...)
	if len(errs) > 0 {
		return nil, nil, nil
	}
	if !who.IsPlatformAdmin && len(above) > 0 {
		for i, level := range compiled.Ancestors {
			compiled.Ancestors[i] = limiterv1.Level{Tenant: level.Tenant, TimeZone: level.TimeZone}
		}
		unknown = append(unknown, "the limits of the tenants above")
	}
	return &compiled, unknown, nil
}

// replayed is what a document would have done with the calls of the last days.
func (a *api) replayed(ctx context.Context, document limiterv1.Tenant, unknown []string, days int) (*Replay, error) {
	done, err := a.replays.take(ctx, document.Tenant, a.Timeout/2)
	if err != nil {
		return nil, err
	}
	defer done()
	to := a.Now()
	from := to.AddDate(0, 0, -days)
	document, err = a.Ledger.Granted(ctx, document, from, to)
	if err != nil {
		return nil, err
	}
	budgets, err := a.Cluster.Budgets(ctx)
	if err != nil {
		return nil, err
	}
	result, err := history.Replay(ctx, a.Ledger, document, budgets, from, to)
	if err != nil {
		return nil, err
	}
	return replayOf(document.Tenant, result, unknown), nil
}

func replayOf(tenant string, result replay.Result, unknown []string) *Replay {
	r := &Replay{
		From: result.From.UTC(), To: result.To.UTC(), Admitted: tallyOf(result.Admitted), Refused: tallyOf(result.Refused),
		WereRefused: tallyOf(result.WereRefused), Fitting: tallyOf(result.Fitting),
		Limits: []ReplayedLimit{}, Users: []ReplayedUser{}, NotLookedAt: unknown,
	}
	for _, limit := range result.Limits {
		r.Limits = append(r.Limits, replayedLimit(limit))
	}
	var below replay.Tally
	for _, user := range result.Users {
		if user.Tenant == tenant {
			r.Users = append(r.Users, ReplayedUser{user.Name, tallyOf(user.Admitted), tallyOf(user.Refused)})
			continue
		}
		below.Calls, below.Cost = below.Calls+user.Refused.Calls, below.Cost+user.Refused.Cost
	}
	if below.Calls > 0 {
		r.Below = &ReplayedTenants{tallyOf(below)}
	}
	return r
}

func replayedLimit(limit replay.LimitResult) ReplayedLimit {
	l := ReplayedLimit{Tenant: limit.Tenant, Refused: tallyOf(limit.Total())}
	switch {
	case limit.Money != nil:
		l.Limit, l.Per = limit.Money.Name, string(limit.Money.Per)
	case limit.Rate != nil:
		l.Limit, l.Per = limit.Rate.Name, string(limit.Rate.Per)
	}
	for _, period := range limit.Periods {
		l.TrippedAt, l.ExhaustedAt = earlier(l.TrippedAt, period.TrippedAt), earlier(l.ExhaustedAt, period.ExhaustedAt)
	}
	return l
}

// earlier is the earlier of two moments, the first of which may be nil, and the second zero.
func earlier(a *time.Time, b time.Time) *time.Time {
	if b.IsZero() || a != nil && a.Before(b) {
		return a
	}
	return utc(&b)
}

func tallyOf(t replay.Tally) Tally { return Tally{t.Calls, usd(t.Cost)} }
