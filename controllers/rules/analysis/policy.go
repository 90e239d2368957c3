package analysis

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Target is a tenant that a policy applies to.
type Target struct {
	// Document is what is in force for the tenant, with the policy.
	Document limiterv1.Tenant
	// Callers are the callers of the tenant, without those of the tenants below it, which have other
	// limits per user.
	Callers []Caller
}

// Caller is an APIKey or a member, in words, and its tier, which is empty if it comes with a token.
type Caller struct {
	Name, Tier string
	// Groups are those that it is given, and the one that it is named by.
	Groups []string
}

// OfRateLimitPolicy finds what is surely not meant in a RateLimitPolicy.
func OfRateLimitPolicy(policy *v1alpha1.RateLimitPolicy, targets []Target, catalogue Catalogue, tokens Tokens) []Warning {
	var f found
	path := field.NewPath("spec", "limits")
	var documents []limiterv1.Tenant
	var callers []Caller
	for _, target := range targets {
		documents, callers = append(documents, target.Document), append(callers, target.Callers...)
	}
	tiers, groups := tiersOf(callers), groupsOf(callers, tokens)
	for i, limit := range policy.Spec.Limits {
		path := path.Index(i)
		f.unlistedModels(path.Child("models"), limit.Models, catalogue)
		f.unknownTiers(path.Child("tiers"), limit.Tiers, tiers)
		f.unknownGroups(path.Child("groups"), limit.Groups, groups)
		f.bucketTooSmall(path, limit, documents, catalogue)
		f.rateNeverReached(path, policy.Spec.Limits, i)
	}
	f.unlimitedTiers(policy.Spec)
	if slices.ContainsFunc(policy.Spec.Limits, func(l v1alpha1.RateLimit) bool { return len(l.Tiers) > 0 }) {
		f.unlimitedCallers(targets)
	}
	return f
}

// unlimitedTiers finds that refusing tiers without a limit would refuse nobody, or everybody.
func (f *found) unlimitedTiers(spec v1alpha1.RateLimitPolicySpec) {
	if spec.UnlimitedTiers != v1alpha1.UnlimitedTiersDeny {
		return
	}
	path := field.NewPath("spec", "unlimitedTiers")
	isOfUsers := func(l v1alpha1.RateLimit) bool { return l.Per == v1alpha1.ScopeUser && l.Concurrent == nil }
	isOfAll := func(l v1alpha1.RateLimit) bool {
		return isOfUsers(l) && len(l.Tiers) == 0 && len(l.Groups) == 0 && len(l.Labels) == 0
	}
	if i := slices.IndexFunc(spec.Limits, isOfAll); i >= 0 {
		f.noEffect(path, "limit %s selects all tiers, so that Deny has no effect: leave it out", spec.Limits[i].Name)
	} else if !slices.ContainsFunc(spec.Limits, isOfUsers) {
		f.warn(path, "Deny refuses every call: no limit of requests or tokens has per: User; add one")
	}
}

// rateNeverReached finds that another limit of the policy keeps the one at the index from ever being
// reached: it is lower, of the same unit, and counts all the same calls.
func (f *found) rateNeverReached(path *field.Path, limits []v1alpha1.RateLimit, at int) {
	limit := limits[at]
	for i, other := range limits {
		countsAll := (other.Per == v1alpha1.ScopeTenant || other.Per == limit.Per) &&
			covers(other.Tiers, limit.Tiers) && covers(other.Models, limit.Models) &&
			covers(other.Groups, limit.Groups) && coversLabels(other.Labels, limit.Labels)
		if i == at || !countsAll || !isBelow(other, limit) {
			continue
		}
		whose := "all tiers"
		if len(other.Tiers) > 0 || len(limit.Tiers) == 0 {
			whose = "the same calls"
		}
		f.noEffect(path, "is never reached: limit %s counts %s, too, and is lower; raise that one, or give it other tiers", other.Name, whose)
		return
	}
}

// isBelow is whether a limit always refuses before another one that counts no more than it does.
func isBelow(a, b v1alpha1.RateLimit) bool {
	if a.Concurrent != nil && b.Concurrent != nil {
		return *a.Concurrent < *b.Concurrent
	}
	one, atOnce, ok := rateOf(a)
	two, atOnceToo, okToo := rateOf(b)
	sameUnit := (a.Tokens == nil) == (b.Tokens == nil)
	return ok && okToo && sameUnit && one <= two && atOnce <= atOnceToo && (one < two || atOnce < atOnceToo)
}

// rateOf is how many units a limit allows a second, and at once.
func rateOf(limit v1alpha1.RateLimit) (each float64, atOnce int64, ok bool) {
	count := limit.Requests
	if limit.Tokens != nil {
		count = limit.Tokens
	}
	window, err := time.ParseDuration(limit.Window)
	if count == nil || err != nil || window <= 0 {
		return 0, 0, false
	}
	atOnce = *count
	if limit.Burst != nil {
		atOnce = *limit.Burst
	}
	return float64(*count) / window.Seconds(), atOnce, true
}

// unlimitedCallers finds callers of targets whose tier no rate limit selects, although the policy
// limits others by their tiers.
func (f *found) unlimitedCallers(targets []Target) {
	told := sets.New[string]()
	for _, target := range targets {
		for _, caller := range target.Callers {
			if caller.Tier == "" || told.Has(caller.Tier) {
				continue
			}
			if policy := target.Document.RefusesTier(caller.Tier); policy != "" {
				f.warn(field.NewPath("spec", "unlimitedTiers"), "calls of %s are refused: no limit of RateLimitPolicy %s selects tier %q", caller.Name, policy, caller.Tier)
				told.Insert(caller.Tier)
			} else if why := unlimited(caller.Tier, target.Document); why != "" {
				f.warn(field.NewPath("spec", "limits"), "%s has tier %s", caller.Name, why)
				told.Insert(caller.Tier)
			}
		}
	}
}

// unlimited says, after the name of a tier, that no rate limit of requests or tokens of a tenant
// selects its users, though such limits select those of others; empty where one does.
func unlimited(tier string, document limiterv1.Tenant) string {
	tiers := sets.New[string]()
	for _, level := range document.Levels() {
		for _, rate := range level.Rates {
			if rate.Per != limiterv1.PerUser || rate.Unit == limiterv1.InFlight {
				continue
			}
			if (len(rate.Tiers) == 0 || slices.Contains(rate.Tiers, tier)) && len(rate.Groups) == 0 && len(rate.Labels) == 0 {
				return ""
			}
			tiers.Insert(rate.Tiers...)
		}
	}
	if tiers.Len() == 0 {
		return ""
	}
	return fmt.Sprintf("%q, which no rate limit selects%s", tier, verdict.DidYouMeanOr(": they select ", tier, sets.List(tiers)))
}

// tiersIn are the tiers that the limits and caps of a tenant name.
func tiersIn(document limiterv1.Tenant) []string {
	tiers := sets.New[string]()
	for _, level := range document.Levels() {
		for _, limit := range level.Money {
			tiers.Insert(limit.Tiers...)
		}
		for _, limit := range level.Rates {
			tiers.Insert(limit.Tiers...)
		}
		for _, c := range level.OutputCaps {
			tiers.Insert(c.Tiers...)
		}
	}
	return sets.List(tiers)
}
