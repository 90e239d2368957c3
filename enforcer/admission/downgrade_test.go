package admission_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// TestDowngradeKeepsToTheParents: whatever a child's Downgrade rung says, a model that a
// parent's replaces is not called, neither in its own place nor in that of another.
func TestDowngradeKeepsToTheParents(t *testing.T) {
	level := func(name string, models map[string]string) limiterv1.Level {
		l := limiterv1.Level{Tenant: name, TimeZone: "UTC"}
		if models != nil {
			l.Ladder = []limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Downgrade, Models: models}}
		}
		return l
	}
	for name, tc := range map[string]struct {
		child, parent, grandparent map[string]string
		asked, want                string
	}{
		"nobody replaces it":                       {asked: "maxi", want: "maxi"},
		"the child replaces it":                    {child: map[string]string{"maxi": "mini"}, asked: "maxi", want: "mini"},
		"the parent replaces it":                   {parent: map[string]string{"maxi": "mini"}, asked: "maxi", want: "mini"},
		"both do, otherwise":                       {child: map[string]string{"maxi": "large"}, parent: map[string]string{"maxi": "mini"}, asked: "maxi", want: "mini"},
		"the child puts it in the place of others": {child: map[string]string{"mini": "maxi"}, parent: map[string]string{"maxi": "mini"}, asked: "mini", want: "mini"},
		"the child puts it in the place of a third": {
			child: map[string]string{"tiny": "maxi"}, parent: map[string]string{"maxi": "mini"}, asked: "tiny", want: "mini",
		},
		"a parent puts it in the place of others": {
			parent: map[string]string{"mini": "maxi"}, grandparent: map[string]string{"maxi": "tiny"}, asked: "mini", want: "tiny",
		},
		"what a grandparent chooses, nobody below replaces": {
			child: map[string]string{"mini": "maxi"}, parent: map[string]string{"mini": "large"}, grandparent: map[string]string{"maxi": "mini"},
			asked: "maxi", want: "mini",
		},
	} {
		t.Run(name, func(t *testing.T) {
			document := limiterv1.Tenant{Level: level("child", tc.child)}
			document.Ancestors = []limiterv1.Level{level("parent", tc.parent), level("grandparent", tc.grandparent)}
			tenant, err := admission.NewTenant(document)
			if err != nil {
				t.Fatal(err)
			}
			store := &scriptedStore{replies: []admission.AdmitReply{{Verdict: admission.RungChanged}}}
			if _, err := admission.NewAdmitter(store).Admit(context.Background(), tenant, call("", money.Cent, 10)); !errors.Is(err, admission.ErrRungChanged) {
				t.Fatalf("got %v, want that a rung was reached", err)
			}
			if got, downgraded := tenant.ModelFor("user", tc.asked); got != tc.want || !downgraded {
				t.Errorf("%s is called (downgraded: %t) for %s, want %s", got, downgraded, tc.asked, tc.want)
			}
		})
	}
}

// TestDowngradedUsersAreFew: however many users a caller who may act for others makes up, no more
// of them are remembered than fit.
func TestDowngradedUsersAreFew(t *testing.T) {
	const users, fit = 25_000, 10_000
	document := limiterv1.Tenant{Level: limiterv1.Level{
		Tenant: "acme", TimeZone: "UTC", Ladder: []limiterv1.Rung{{AtPercent: 80, Action: limiterv1.Downgrade, Models: map[string]string{"maxi": "mini"}}},
	}}
	tenant, err := admission.NewTenant(document)
	if err != nil {
		t.Fatal(err)
	}
	admitter := admission.NewAdmitter(&scriptedStore{replies: slices.Repeat([]admission.AdmitReply{{Verdict: admission.RungChanged}}, users)})
	for i := range users {
		request := call("", money.Cent, 10)
		request.Subject.User = fmt.Sprint("user-", i)
		if _, err := admitter.Admit(context.Background(), tenant, request); !errors.Is(err, admission.ErrRungChanged) {
			t.Fatalf("got %v, want that a rung was reached", err)
		}
		if _, downgraded := tenant.ModelFor(request.Subject.User, "maxi"); !downgraded {
			t.Fatalf("user %d is not remembered", i)
		}
	}
	var remembered int
	for i := range users {
		if _, downgraded := tenant.ModelFor(fmt.Sprint("user-", i), "maxi"); downgraded {
			remembered++
		}
	}
	if remembered > fit {
		t.Errorf("%d of %d users are remembered, want at most %d", remembered, users, fit)
	}
}
