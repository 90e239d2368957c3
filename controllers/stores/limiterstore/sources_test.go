package limiterstore_test

import (
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

func TestSources(t *testing.T) {
	budget := func(uid string) limiterv1.Source {
		return limiterv1.Source{Kind: "TenantBudget", UID: uid, Generation: 1}
	}
	policy := func(generation int64) limiterv1.Source {
		return limiterv1.Source{Kind: "RateLimitPolicy", UID: "policy", Generation: generation}
	}
	for name, tc := range map[string]struct {
		sources              []limiterv1.Source
		contains, isOfItself bool
	}{
		"nowhere":                         {[]limiterv1.Source{budget("child"), budget("parent")}, false, false},
		"in its own part":                 {[]limiterv1.Source{budget("child"), policy(2), budget("parent")}, true, true},
		"inherited":                       {[]limiterv1.Source{budget("child"), budget("parent"), policy(2)}, true, false},
		"in both parts":                   {[]limiterv1.Source{budget("child"), policy(2), budget("parent"), policy(2)}, true, true},
		"another generation":              {[]limiterv1.Source{budget("child"), policy(1)}, false, true},
		"another generation is inherited": {[]limiterv1.Source{budget("child"), policy(2), budget("parent"), policy(1)}, false, true},
		"no document":                     {nil, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := limiterstore.Observation{Sources: tc.sources}
			if got := o.Contains("policy", 2); got != tc.contains {
				t.Errorf("contains it: %t, want %t", got, tc.contains)
			}
			if got := o.Applies("policy"); got != tc.isOfItself {
				t.Errorf("applies it: %t, want %t", got, tc.isOfItself)
			}
		})
	}
}
