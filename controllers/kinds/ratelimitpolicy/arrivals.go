package ratelimitpolicy

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// arrivals remembers, for each policy, the targets whose documents have contained the policy's
// generation and have been run by every enforcer. Later changes of these documents do not concern
// the policy.
type arrivals struct {
	mu       sync.Mutex
	policies map[types.UID]arrived
	swept    time.Time
}

// arrived is what is remembered of one policy.
type arrived struct {
	generation  int64
	incarnation string
	// in has, by the UIDs of budgets, the revision at which the document of each was first
	// seen with the generation and run.
	in   map[types.UID]int64
	seen time.Time
}

// forgotten is how long a policy is remembered that is not reconciled any more.
const forgotten = time.Hour

func newArrivals() *arrivals { return &arrivals{policies: map[types.UID]arrived{}} }

// take is given the documents of a policy's targets. It returns how far the policy has got
// in them, and the tenant whose document got it last; empty if none has it.
func (a *arrivals) take(
	policy *v1alpha1.RateLimitPolicy, targets []*v1alpha1.TenantBudget, documents []limiterstore.Observation,
	fleet limiterstore.Fleet, now time.Time,
) (last string, rollout conditions.Rollout) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sweep(now)
	was, known := a.policies[policy.UID]
	if known && (was.generation != policy.Generation || was.incarnation != fleet.Incarnation) {
		was = arrived{}
	}
	is := arrived{policy.Generation, fleet.Incarnation, map[types.UID]int64{}, now}
	byBudget := map[types.UID]limiterstore.Observation{}
	for _, document := range documents {
		if len(document.Sources) > 0 {
			byBudget[types.UID(document.Sources[0].UID)] = document
		}
	}
	rollout = conditions.Rollout{Selected: len(targets)}
	reached := fleet.Reached()
	for _, budget := range targets {
		document, found := byBudget[budget.UID]
		if !found || !document.Applies(string(policy.UID)) || !document.Contains(string(policy.UID), policy.Generation) {
			rollout.Lacking++
			continue
		}
		revision := document.Revision
		if before, hasArrived := was.in[budget.UID]; hasArrived {
			revision = before
		} else if !known && conditions.IsProgrammed(policy) {
			// This manager has just started, and another one has seen the policy arrive.
			revision = min(revision, policy.Status.Revision)
		}
		if revision <= reached {
			is.in[budget.UID] = revision
		}
		if revision > rollout.Revision {
			last, rollout.Revision = budget.Spec.Tenant, revision
		}
	}
	a.policies[policy.UID] = is
	rollout.Running, rollout.All = fleet.Running(rollout.Revision)
	return last, rollout
}

// sweep forgets policies that were deleted.
func (a *arrivals) sweep(now time.Time) {
	if now.Sub(a.swept) < forgotten {
		return
	}
	a.swept = now
	for uid, policy := range a.policies {
		if now.Sub(policy.seen) > forgotten {
			delete(a.policies, uid)
		}
	}
}
