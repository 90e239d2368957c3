package api

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
	"github.com/bursar-dev/bursar/console/health"
)

// recentCalls is how old the calls may be that show how providers answer, and heardWithin is the
// longest silence in Postgres of an enforcer that counts as live.
const (
	recentCalls = time.Hour
	heardWithin = 15 * time.Second
	// mostTroubles is how many objects that are not as they should be are named.
	mostTroubles = 100
)

// Health is how Bursar itself is, as far as the cluster and Postgres know.
type Health struct {
	AsOf              time.Time        `json:"asOf"`
	Enforcers         EnforcersHealth  `json:"enforcers"`
	Objects           []KindHealth     `json:"objects" nullable:"false" doc:"By kind. BudgetGrants are not among them: the console does not watch them."`
	Troubles          []Trouble        `json:"troubles" nullable:"false" doc:"Objects that are not enforced as written, or warned of; at most 100."`
	Limiter           LimiterHealth    `json:"limiter"`
	Ledger            LedgerHealth     `json:"ledger"`
	Alerts            AlertsHealth     `json:"alerts"`
	Providers         []ProviderHealth `json:"providers" nullable:"false" doc:"ModelProviders, and what was called of late of others, by name."`
	IdentityProviders []IssuerHealth   `json:"identityProviders" nullable:"false"`
	Unknown           []string         `json:"unknown" nullable:"false" doc:"What cannot be known from here, and where it is."`
}

// EnforcersHealth is what the manager and Postgres say of enforcers.
type EnforcersHealth struct {
	Live     int32           `json:"live" doc:"How many the manager sees in Redis, by the status of the object that it looked at last."`
	Revision int64           `json:"revision" doc:"The newest revision of the configuration that an object is in."`
	Behind   int             `json:"behind" doc:"How many objects some of them do not run as they are yet."`
	Sessions []SessionHealth `json:"sessions" nullable:"false" doc:"Those that Postgres has heard of within a day and that have not left, the last one heard first."`
}

// SessionHealth is one life of an enforcer.
type SessionHealth struct {
	Session       string  `json:"session"`
	SilentSeconds float64 `json:"silentSeconds" doc:"How long ago it last said to Postgres that it lives."`
	Live          bool    `json:"live" doc:"Whether that is no more than 15 seconds."`
}

// KindHealth counts the objects of a kind.
type KindHealth struct {
	Kind          string `json:"kind"`
	Total         int    `json:"total"`
	NotAccepted   int    `json:"notAccepted"`
	NotProgrammed int    `json:"notProgrammed" doc:"Accepted, and not run by every enforcer."`
	NotReady      int    `json:"notReady" doc:"Not enforced as written, for these reasons or others."`
	Warned        int    `json:"warned" doc:"With something that looks like a mistake."`
}

// Trouble is an object that is not as it should be.
type Trouble struct {
	Kind      string    `json:"kind"`
	Name      string    `json:"name" doc:"With its namespace before it, if it has one."`
	Condition string    `json:"condition" example:"Ready"`
	Reason    string    `json:"reason"`
	Message   string    `json:"message"`
	Since     time.Time `json:"since"`
}

// LimiterHealth is what is known of the counters.
type LimiterHealth struct {
	Rebuilding    bool       `json:"rebuilding" doc:"Whether counters are being set from the ledger: nothing is admitted meanwhile."`
	AuditedAt     *time.Time `json:"auditedAt,omitempty" doc:"When the leader last compared all counters with the ledger. Absent: never yet."`
	Tenants       int        `json:"tenants" doc:"How many tenants that was about."`
	WithDrift     int        `json:"tenantsWithDrift" doc:"Tenants with a counter that differs from the ledger, or from what open calls hold."`
	Drift         Money      `json:"drift" doc:"The sum of the differences."`
	WithWrongSums int        `json:"tenantsWithWrongSums" doc:"Tenants whose sums of what was used on a day differ from the ledger."`
}

// LedgerHealth is how far behind the ledger is.
type LedgerHealth struct {
	Unreachable    Condition  `json:"unreachable" doc:"The condition LedgerUnreachable of a TenantBudget that has it True, or of any."`
	Calls          int64      `json:"calls" doc:"How many recent calls the figures are about: those admitted within the hour, at most the last 1,000 of each tenant."`
	LastRecordedAt *time.Time `json:"lastRecordedAt,omitempty" doc:"When the last of them was recorded. Absent: there is none."`
	LagP50         *float64   `json:"lagP50Milliseconds,omitempty" doc:"From the end of a call until the ledger had it: the median."`
	LagP95         *float64   `json:"lagP95Milliseconds,omitempty" doc:"The same, of the slowest 5 % the fastest."`
	SumsUntil      time.Time  `json:"sumsUntil" doc:"Until when there are sums of each user, a quarter of an hour at a time. What is newer is read from the calls."`
	SumsFrom       *time.Time `json:"sumsFrom,omitempty" doc:"From when on there are sums. Absent: from the first call."`
}

// AlertsHealth is about messages of alerts, of all tenants.
type AlertsHealth struct {
	Waiting   int64      `json:"waiting" doc:"Messages that are to be sent."`
	OldestDue *time.Time `json:"oldestDue,omitempty" doc:"When the first of them is, or was, to be tried next. Absent: none waits."`
	Abandoned int64      `json:"abandoned" doc:"Messages that were given up within a day."`
	Failing   int        `json:"failingTenants" doc:"Tenants of which somebody cannot be told just now."`
}

// ProviderHealth is how a ModelProvider is, and how recent calls went.
type ProviderHealth struct {
	Name            string    `json:"name"`
	Ready           Condition `json:"ready"`
	Reachable       Condition `json:"reachable" doc:"Whether calls get answers, as enforcers see it."`
	CredentialValid Condition `json:"credentialValid" doc:"Whether the provider accepts Bursar's key."`
	Calls           int64     `json:"calls" doc:"How many recent calls the figures are about, as of ledger.calls."`
	WithoutCost     int64     `json:"withoutCost" doc:"Those that the provider billed nothing for, as it does where it answers with an error or not at all."`
	CutOff          int64     `json:"cutOff" doc:"Those whose answer was cut off, or whose usage is not known."`
	TookP50         *float64  `json:"tookP50Milliseconds,omitempty" doc:"From the admission of a call to its end, of calls that were completed."`
	TookP95         *float64  `json:"tookP95Milliseconds,omitempty"`
	FirstP50        *float64  `json:"firstTokenP50Milliseconds,omitempty" doc:"From the admission to the first token, of calls that were streamed."`
	FirstP95        *float64  `json:"firstTokenP95Milliseconds,omitempty"`
}

// IssuerHealth is how an IdentityProvider is.
type IssuerHealth struct {
	Name        string     `json:"name"`
	Issuer      string     `json:"issuer,omitempty"`
	Ready       Condition  `json:"ready"`
	KeysFetched Condition  `json:"keysFetched" doc:"Whether its signing keys were fetched; those that were fetched last stay in force."`
	Keys        int        `json:"keys" doc:"How many were fetched; 0 where they stand in its spec."`
	FetchedAt   *time.Time `json:"fetchedAt,omitempty"`
	ChangedAt   *time.Time `json:"changedAt,omitempty" doc:"When these keys were fetched first."`
}

// unknown is what the console does not know, because it asks neither Redis nor enforcers.
var unknown = []string{
	"Which revision each enforcer runs: Redis knows. Here is how many run each object (bursar_enforcer_config_revision of the enforcers).",
	"Calls that have ended and wait for the ledger, in enforcers and in Redis (bursar_enforcer_ledger_waiting, bursar_enforcer_ledger_missing). While an enforcer cannot write any, LedgerUnreachable says so.",
	"Which statuses a provider answered with (bursar_enforcer_provider_answers_total).",
	"Whether Redis answers the enforcers (bursar_enforcer_store_available); the manager's view of it is in the conditions of objects.",
}

func (a *api) registerHealth(routes huma.API) {
	handle(a, routes, get("health", "/health", "Health", "How Bursar is", "How enforcers, limiter, ledger, providers and IdentityProviders are, as far as the cluster and Postgres know. For the platform's admins."),
		func(ctx context.Context, who auth.Who, _ *struct{}) (*Health, error) {
			if !who.IsPlatformAdmin {
				return nil, forbidden("this is for the platform's admins (--platform-admins of the console)")
			}
			observed, err := a.Cluster.Observed(ctx)
			if err != nil {
				return nil, err
			}
			now := a.Now().UTC()
			reading, err := a.Health.Read(ctx, now.Add(-recentCalls))
			if err != nil {
				return nil, err
			}
			return healthOf(now, observed, reading), nil
		})
}

func healthOf(now time.Time, observed []cluster.Observed, r *health.Reading) *Health {
	h := &Health{
		AsOf: now, Objects: []KindHealth{}, Troubles: []Trouble{}, Providers: []ProviderHealth{}, IdentityProviders: []IssuerHealth{}, Unknown: unknown,
		Limiter: LimiterHealth{
			Rebuilding: r.Stores.IsRebuilding, AuditedAt: utc(r.Stores.AuditedAt), Tenants: r.Stores.Audited, WithDrift: r.Stores.WithDrift,
			Drift: usd(r.Stores.Drift), WithWrongSums: r.Stores.WithWrongSums,
		},
		Ledger: LedgerHealth{
			Unreachable: Condition{Status: string(metav1.ConditionUnknown)}, Calls: r.All.Calls, LastRecordedAt: utc(r.All.LastRecorded), LagP50: r.All.Lag50, LagP95: r.All.Lag95,
			SumsUntil: r.SumsUntil.UTC(),
		},
		Alerts: AlertsHealth{Waiting: r.Stores.Waiting, OldestDue: utc(r.Stores.OldestDue), Abandoned: r.Stores.Abandoned},
	}
	if !r.SumsFrom.IsZero() {
		h.Ledger.SumsFrom = utc(&r.SumsFrom)
	}
	h.Enforcers.Sessions = []SessionHealth{}
	for _, s := range r.Sessions {
		h.Enforcers.Sessions = append(h.Enforcers.Sessions, SessionHealth{s.ID, s.Silent.Seconds(), s.Silent <= heardWithin})
	}
	for i := range observed {
		h.take(&observed[i], r.Calls)
	}
	for name, calls := range r.Calls {
		if !slices.ContainsFunc(h.Providers, func(p ProviderHealth) bool { return p.Name == name }) {
			h.Providers = append(h.Providers, providerOf(name, nil, calls))
		}
	}
	slices.SortFunc(h.Providers, func(a, b ProviderHealth) int { return strings.Compare(a.Name, b.Name) })
	return h
}

// take adds what an object says of Bursar's health.
func (h *Health) take(o *cluster.Observed, calls map[string]health.Calls) {
	h.count(o)
	conditions := o.Status.Conditions
	if e := o.Status.Enforcers; e != nil {
		h.Enforcers.Live = max(h.Enforcers.Live, e.Total)
		if e.Ready < e.Total {
			h.Enforcers.Behind++
		}
	}
	h.Enforcers.Revision = max(h.Enforcers.Revision, o.Status.Revision)
	switch object := o.Object.(type) {
	case *v1alpha1.TenantBudget:
		if c := conditionOf(conditions, v1alpha1.ConditionLedgerUnreachable); h.Ledger.Unreachable.Status != "True" && c.Status != "Unknown" {
			h.Ledger.Unreachable = c
		}
		if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAlertsFailing) {
			h.Alerts.Failing++
		}
	case *v1alpha1.ModelProvider:
		h.Providers = append(h.Providers, providerOf(object.Name, conditions, calls[object.Name]))
	case *v1alpha1.IdentityProvider:
		issuer := IssuerHealth{
			Name: object.Name, Issuer: object.Status.Issuer, Ready: conditionOf(conditions, v1alpha1.ConditionReady), KeysFetched: conditionOf(conditions, v1alpha1.ConditionKeysFetched),
		}
		if keys := object.Status.Keys; keys != nil {
			issuer.Keys, issuer.FetchedAt, issuer.ChangedAt = len(keys.IDs), utc(&keys.FetchedAt.Time), utc(&keys.ChangedAt.Time)
		}
		h.IdentityProviders = append(h.IdentityProviders, issuer)
	}
}

// count counts an object, and names it where it is not as it should be.
func (h *Health) count(o *cluster.Observed) {
	if n := len(h.Objects); n == 0 || h.Objects[n-1].Kind != o.Kind {
		h.Objects = append(h.Objects, KindHealth{Kind: o.Kind})
	}
	of, conditions := &h.Objects[len(h.Objects)-1], o.Status.Conditions
	of.Total++
	worst := ""
	if meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionWarning) {
		of.Warned++
		worst = v1alpha1.ConditionWarning
	}
	if meta.IsStatusConditionFalse(conditions, v1alpha1.ConditionReady) {
		worst = v1alpha1.ConditionReady
	}
	switch {
	case !meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAccepted):
		of.NotAccepted++
		worst = v1alpha1.ConditionAccepted
	case !meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionProgrammed):
		of.NotProgrammed++
		worst = v1alpha1.ConditionProgrammed
	}
	if worst != "" && worst != v1alpha1.ConditionWarning {
		of.NotReady++
	}
	if c := meta.FindStatusCondition(conditions, worst); c != nil && len(h.Troubles) < mostTroubles {
		h.Troubles = append(h.Troubles, Trouble{o.Kind, o.Name, c.Type, c.Reason, c.Message, c.LastTransitionTime.UTC()})
	}
}

func providerOf(name string, conditions []metav1.Condition, c health.Calls) ProviderHealth {
	return ProviderHealth{
		Name: name, Ready: conditionOf(conditions, v1alpha1.ConditionReady), Reachable: conditionOf(conditions, v1alpha1.ConditionReachable),
		CredentialValid: conditionOf(conditions, v1alpha1.ConditionCredentialValid), Calls: c.Calls, WithoutCost: c.WithoutCost, CutOff: c.CutOff,
		TookP50: c.Took50, TookP95: c.Took95, FirstP50: c.First50, FirstP95: c.First95,
	}
}
