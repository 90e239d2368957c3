package tenantbudget

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// TestBreaker: a tenant's calls are stopped by the first of these: a breaker that is
// forced open, here or above; a limit that has tripped, here or above.
func TestBreaker(t *testing.T) {
	const open, closed = limiterv1.BreakerOpen, limiterv1.BreakerClosed
	type tenant struct {
		name   string
		forced limiterv1.BreakerState
		day    money.Nanos
		month  money.Nanos
		shadow bool
		// reason is why the breaker is forced.
		reason string
		// fallback is one of the ladder.
		fallback limiterv1.FallbackKind
	}
	for name, tc := range map[string]struct {
		// tenants are the tenant and its ancestors, nearest first.
		tenants []tenant
		// want is summary, limit, condition and message.
		want [4]string
	}{
		"nothing is spent": {
			tenants: []tenant{{name: "team"}, {name: "company"}},
			want:    [4]string{"Closed", "", "False BelowTripRung", "no limit of the tenant has reached the Trip rung"},
		},
		"its own limit has tripped": {
			tenants: []tenant{{name: "team", day: money.USD}, {name: "company"}},
			want: [4]string{"Open", "daily", "True TripRungReached",
				"limit daily has reached the Trip rung: paid calls are refused until 2026-11-26T00:00:00Z, or until the limit is raised"},
		},
		"its own limit has tripped, and the cheapest model goes on": {
			tenants: []tenant{{name: "team", day: money.USD, fallback: limiterv1.CheapestModel}, {name: "company"}},
			want: [4]string{"Open", "daily", "True TripRungReached",
				"limit daily has reached the Trip rung: paid calls, except those that the fallback CheapestModel serves, are refused until 2026-11-26T00:00:00Z, or until the limit is raised"},
		},
		"a limit above has tripped, and the cheapest model goes on": {
			tenants: []tenant{{name: "team", fallback: limiterv1.CheapestModel}, {name: "company", day: money.USD, fallback: limiterv1.CheapestModel}},
			want: [4]string{"Open (parent)", "daily", "True TripRungReached",
				"limit daily of tenant company has reached the Trip rung: paid calls, except those that the fallback CheapestModel serves, are refused until 2026-11-26T00:00:00Z, or until the limit is raised"},
		},
		"a limit above has tripped, whose tenant has no calls of the cheapest model go on": {
			tenants: []tenant{{name: "team", fallback: limiterv1.CheapestModel}, {name: "company", day: money.USD}},
			want: [4]string{"Open (parent)", "daily", "True TripRungReached",
				"limit daily of tenant company has reached the Trip rung: paid calls are refused until 2026-11-26T00:00:00Z, or until the limit is raised"},
		},
		"a limit above has tripped, in shadow": {
			tenants: []tenant{{name: "team"}, {name: "company", day: money.USD, shadow: true}},
			want: [4]string{"Open (parent)", "daily", "True TripRungReached",
				"limit daily of tenant company has reached the Trip rung: paid calls would be refused without Shadow until 2026-11-26T00:00:00Z, or until the limit is raised"},
		},
		"a limit above has tripped, and the tenant is in shadow": {
			tenants: []tenant{{name: "team", month: money.USD, shadow: true}, {name: "company", day: money.USD}},
			want: [4]string{"Open (parent)", "daily", "True TripRungReached",
				"limit daily of tenant company has reached the Trip rung: paid calls are refused until 2026-11-26T00:00:00Z, or until the limit is raised"},
		},
		"forced open above, and forced open in shadow": {
			tenants: []tenant{{name: "team", forced: open, shadow: true}, {name: "company", forced: open}},
			want: [4]string{"Open (parent, forced)", "", "True Forced",
				"spec.breaker.forced of tenant company keeps the breaker open: paid calls are refused until it is removed"},
		},
		"forced open, where the cheapest model does not go on": {
			tenants: []tenant{{name: "team", forced: open, fallback: limiterv1.CheapestModel}},
			want: [4]string{"Open (forced)", "", "True Forced",
				"spec.breaker.forced keeps the breaker open: paid calls are refused until it is removed"},
		},
		"a fallback that costs nothing": {
			tenants: []tenant{{name: "team", day: money.USD, fallback: limiterv1.Message}},
			want: [4]string{"Open", "daily", "True TripRungReached",
				"limit daily has reached the Trip rung: paid calls are refused until 2026-11-26T00:00:00Z, or until the limit is raised"},
		},
		"a limit above has tripped for longer": {
			tenants: []tenant{{name: "team", day: money.USD}, {name: "division"}, {name: "company", month: money.USD}},
			want: [4]string{"Open (parent)", "monthly", "True TripRungReached",
				"limit monthly of tenant company has reached the Trip rung: paid calls are refused until 2026-12-01T00:00:00Z, or until the limit is raised"},
		},
		"forced open": {
			tenants: []tenant{{name: "team", forced: open, day: money.USD}, {name: "company", forced: open}},
			want: [4]string{"Open (forced)", "", "True Forced",
				"spec.breaker.forced keeps the breaker open: paid calls are refused until it is removed"},
		},
		"forced open above, in vain forced closed here": {
			tenants: []tenant{{name: "team", forced: closed}, {name: "company", forced: open}},
			want: [4]string{"Open (parent, forced)", "", "True Forced",
				"spec.breaker.forced of tenant company keeps the breaker open: paid calls are refused until it is removed"},
		},
		"forced open, in shadow": {
			tenants: []tenant{{name: "team", forced: open, shadow: true}},
			want: [4]string{"Open (forced)", "", "True Forced",
				"spec.breaker.forced keeps the breaker open: paid calls would be refused without Shadow until it is removed"},
		},
		"forced closed": {
			tenants: []tenant{{name: "team", forced: closed, day: money.USD}, {name: "company"}},
			want:    [4]string{"Closed (forced)", "", "False Forced", "spec.breaker.forced keeps the breaker closed, whatever is spent"},
		},
		"forced, for a reason": {
			tenants: []tenant{{name: "team"}, {name: "company", forced: limiterv1.BreakerOpen, reason: "a key was leaked"}},
			want: [4]string{"Open (parent, forced)", "", "True Forced",
				"spec.breaker.forced of tenant company keeps the breaker open: paid calls are refused until it is removed; reason: a key was leaked"},
		},
		"forced closed, which opens nothing above": {
			tenants: []tenant{{name: "team", forced: closed, day: money.USD}, {name: "company", day: money.USD}},
			want: [4]string{"Open (parent)", "daily", "True TripRungReached",
				"limit daily of tenant company has reached the Trip rung: paid calls are refused until 2026-11-26T00:00:00Z, or until the limit is raised"},
		},
		"forced closed above, which is of no use here": {
			tenants: []tenant{{name: "team", day: money.USD}, {name: "company", forced: closed, month: money.USD}},
			want: [4]string{"Open", "daily", "True TripRungReached",
				"limit daily has reached the Trip rung: paid calls are refused until 2026-11-26T00:00:00Z, or until the limit is raised"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			u := &usage{}
			for _, tenant := range tc.tenants {
				level := tenantWith(usualLadder, daily(money.USD), monthly(money.USD))
				if tenant.fallback != "" {
					level.Ladder = []limiterv1.Rung{{AtPercent: 90, Action: limiterv1.Trip, Fallbacks: []limiterv1.Fallback{{Kind: tenant.fallback}}}}
				}
				if tenant.shadow {
					level.Enforcement = limiterv1.Shadow
				}
				level.Tenant, level.Forced, level.ForcedReason = tenant.name, tenant.forced, tenant.reason
				measured, err := measure(level, spentAt(noon, map[period.Kind]money.Nanos{period.Day: tenant.day, period.Month: tenant.month}))
				if err != nil {
					t.Fatal(err)
				}
				u.levels = append(u.levels, measured)
			}
			b, verdict := u.breaker(), u.breakerOpen()
			got := [4]string{b.summary("team"), "", string(verdict.Status) + " " + verdict.Reason, verdict.Message}
			if b.limit != nil {
				got[1] = b.limit.Name
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("breaker (-want +got):\n%s", diff)
			}
			if reset, _ := u.nextTurn(); !reset.Equal(noon.Add(12 * time.Hour)) {
				t.Errorf("resets at %s", reset)
			}
		})
	}
}
