package identityprovider

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Keys are fetched anew when the issuer's Cache-Control says, within bounds: keys that the
// issuer does not list any more must not stay in force for long.
const (
	defaultAge = 5 * time.Minute
	leastAge   = time.Minute
	longestAge = 10 * time.Minute
)

// firstRetry and lastRetry bound the pauses after fetches that have failed.
const (
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// fetches has the schedules of all issuers.
type fetches struct {
	mu sync.Mutex
	of map[string]*schedule // by the name of the IdentityProvider
}

// schedule is when the keys of one issuer are fetched.
type schedule struct {
	uid types.UID
	// source and authority are where the keys are fetched from. If they change, keys are fetched
	// at once.
	source, authority string
	next              time.Time
	standing
	failures int
	// keys are those that were fetched last, and issuer is their issuer. The status may have them
	// only later, because its write may be delayed.
	keys   *v1alpha1.FetchedKeys
	issuer string
	// wanted is set when an enforcer misses a key. wantedAt is when keys were last fetched
	// for that.
	wanted   bool
	wantedAt time.Time
}

// standing is the state of fetching the keys of an issuer.
type standing struct {
	// err is why the last fetch has failed; nil if it succeeded.
	err error
	// pauseUntil is when the next fetch is due.
	pauseUntil time.Time
}

func newFetches() *fetches { return &fetches{of: map[string]*schedule{}} }

// want notes that an enforcer misses a key of the issuer of an IdentityProvider.
func (f *fetches) want(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.of[name]; s != nil {
		s.wanted = true
	}
}

// begin reports whether the keys have to be fetched now. known are the keys that the status has;
// failing is whether it says that the last fetch has failed.
func (f *fetches) begin(provider *v1alpha1.IdentityProvider, known *v1alpha1.FetchedKeys, failing bool, now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	issuer := provider.Spec.Issuer
	s := f.of[provider.Name]
	if s == nil || s.uid != provider.UID || s.source != sourceOf(issuer) || s.authority != issuer.CertificateAuthority {
		s = &schedule{uid: provider.UID, source: sourceOf(issuer), authority: issuer.CertificateAuthority, next: now}
		if f.of[provider.Name] == nil && known != nil && !failing {
			s.next = known.FetchedAt.Add(defaultAge) // another manager has fetched them
		}
		f.of[provider.Name] = s
	}
	if s.wanted && now.Sub(s.wantedAt) >= limiterv1.WantedKeysPause {
		s.wanted, s.wantedAt = false, now
		return true
	}
	return !now.Before(s.next)
}

// end records the result of a fetch.
func (f *fetches) end(provider *v1alpha1.IdentityProvider, maxAge *time.Duration, err error, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.of[provider.Name]
	if s == nil || s.uid != provider.UID {
		return
	}
	s.err = err
	if err != nil {
		s.next = now.Add(min(firstRetry<<min(s.failures, 16), lastRetry))
		s.failures++
	} else {
		age := defaultAge
		if maxAge != nil {
			age = min(max(*maxAge, leastAge), longestAge)
		}
		s.next, s.failures = now.Add(age), 0
	}
	noteFetch(provider.Name, err, now)
}

// remember keeps keys that were fetched until the status has them.
func (f *fetches) remember(provider *v1alpha1.IdentityProvider, keys *v1alpha1.FetchedKeys, issuer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.of[provider.Name]; s != nil && s.uid == provider.UID {
		s.keys, s.issuer = keys, issuer
	}
}

// last are the keys that this manager has fetched last, and their issuer; nil if there are none.
func (f *fetches) last(provider *v1alpha1.IdentityProvider) (keys *v1alpha1.FetchedKeys, issuer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.of[provider.Name]; s != nil && s.uid == provider.UID {
		return s.keys, s.issuer
	}
	return nil, ""
}

func (f *fetches) standing(provider *v1alpha1.IdentityProvider) standing {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.of[provider.Name]
	if s == nil || s.uid != provider.UID {
		return standing{}
	}
	now := s.standing
	now.pauseUntil = s.next
	if again := s.wantedAt.Add(limiterv1.WantedKeysPause); s.wanted && again.Before(s.next) {
		now.pauseUntil = again
	}
	return now
}

// forget forgets a provider that is being deleted.
func (f *fetches) forget(provider *v1alpha1.IdentityProvider) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if s := f.of[provider.Name]; s != nil && s.uid == provider.UID {
		delete(f.of, provider.Name)
		forgetFetches(provider.Name)
	}
}
