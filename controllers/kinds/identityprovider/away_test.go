package identityprovider

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// absent is an issuer that is away at times.
type absent struct {
	keys  json.RawMessage
	away  bool
	asked int
}

func (a *absent) Fetch(context.Context, v1alpha1.Issuer) (Fetched, error) {
	a.asked++
	if a.away {
		return Fetched{}, errors.New("no answer in time")
	}
	return Fetched{Keys: a.keys, IDs: []string{"first"}}, nil
}

// TestIssuerIsAwayForTenMinutes: keys that were known before stay programmed while the issuer is
// unreachable, both by the manager that has fetched them and by one that starts meanwhile, and the
// issuer is not asked all the time.
func TestIssuerIsAwayForTenMinutes(t *testing.T) {
	project, err := issuer.NewStackAuth("https://api.stack-auth.com", "f3f0")
	testkit.Must(t, err)
	keys := &absent{keys: project.Keys(issuer.Regular)}
	clock := clocktesting.NewFakePassiveClock(start)
	c := &Controller{keys: keys, clock: clock, fetches: newFetches()}
	p := anyProvider()
	p.Spec.Issuer.URL, p.Spec.Issuer.JWKSURL = project.Issuer(issuer.Regular), "https://api.stack-auth.com/keys"
	const from, until = time.Minute, 11 * time.Minute
	refused, asked := 0, 0
	for passed := time.Duration(0); passed < until; passed += time.Second {
		now := start.Add(passed)
		clock.SetTime(now)
		if passed == from {
			keys.away, asked = true, keys.asked
		}
		if passed == (from+until)/2 {
			c.fetches = newFetches()
		}
		s := newScope(rollout.Scope[*v1alpha1.IdentityProvider]{Object: p, Now: now})
		s.document = &limiterv1.IdentityProvider{
			Name: p.Name, Issuers: []string{p.Spec.Issuer.URL}, Audiences: []string{project.Project}, Algorithms: []string{"ES256"},
			Mappings: limiterv1.ClaimMappings{User: limiterv1.ClaimMapping{Claim: "sub"}},
		}
		testkit.Must(t, c.fetch(t.Context(), s))
		p.Status.Keys, p.Status.Issuer = s.keys, s.issuer
		enforced, err := identity.Compile(*s.document)
		testkit.Must(t, err)
		token, err := identity.Parse(project.Token(issuer.Regular, "ana", "", now, nil))
		testkit.Must(t, err)
		if _, err := enforced.Verify(token, now); err != nil {
			refused++
		}
	}
	if refused > 0 {
		t.Errorf("%d of %d tokens were refused", refused, until/time.Second)
	}
	// Six pauses that double, of less than a minute, and then once a minute, for each manager.
	if n := keys.asked - asked; n < 5 || n > 2*(6+5) {
		t.Errorf("the issuer was asked %d times while it was away", n)
	}
}
