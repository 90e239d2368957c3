package identityprovider

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func anyProvider() *v1alpha1.IdentityProvider {
	return &v1alpha1.IdentityProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "company", UID: "1"},
		Spec:       v1alpha1.IdentityProviderSpec{Issuer: v1alpha1.Issuer{URL: "https://login.example.com"}},
	}
}

// TestUnknownKeysAreFetchedOnceAMinute: callers that invent key IDs do not cause more fetches.
func TestUnknownKeysAreFetchedOnceAMinute(t *testing.T) {
	f, p := newFetches(), anyProvider()
	fetched := 0
	now := start
	for ; now.Before(start.Add(10 * time.Minute)); now = now.Add(100 * time.Millisecond) {
		f.want(p.Name)
		if f.begin(p, nil, false, now) {
			fetched++
			f.end(p, ptr.To(time.Hour), nil, now)
		}
	}
	if most := 1 + int(now.Sub(start)/limiterv1.WantedKeysPause); fetched > most {
		t.Errorf("%d fetches in %v, want at most %d", fetched, now.Sub(start), most)
	}
}

// TestUnknownKeysKeepNobodyOutForLong: while callers send unknown key IDs all the time, keys are
// fetched every minute, however long the issuer lets them be kept. So its changes are known after
// a minute at most.
func TestUnknownKeysKeepNobodyOutForLong(t *testing.T) {
	const step = 100 * time.Millisecond
	f, p := newFetches(), anyProvider()
	var last time.Time
	for now := start; now.Before(start.Add(time.Hour)); now = now.Add(step) {
		f.want(p.Name)
		if !f.begin(p, nil, false, now) {
			continue
		}
		if pause := now.Sub(last); !last.IsZero() && pause > limiterv1.WantedKeysPause+step {
			t.Errorf("after %v, keys were not fetched for %v", now.Sub(start), pause)
		}
		f.end(p, ptr.To(longestAge), nil, now)
		last = now
	}
	if time.Hour-last.Sub(start) > limiterv1.WantedKeysPause+step {
		t.Errorf("keys were fetched last %v after the start", last.Sub(start))
	}
}

// TestFirstUnknownKeyIsFetchedAtOnce: keys that were just fetched do not make a caller with a
// new one wait.
func TestFirstUnknownKeyIsFetchedAtOnce(t *testing.T) {
	f, p := newFetches(), anyProvider()
	if !f.begin(p, nil, false, start) {
		t.Fatal("nothing is fetched at first")
	}
	f.end(p, nil, nil, start)
	if f.begin(p, nil, false, start.Add(time.Second)) {
		t.Error("keys are fetched again without a cause")
	}
	f.want(p.Name)
	if !f.begin(p, nil, false, start.Add(time.Second)) {
		t.Error("a key that is missed is not fetched")
	}
}

// TestWhenKeysAreFetched: as often as the issuer says, within bounds.
func TestWhenKeysAreFetched(t *testing.T) {
	for name, tc := range map[string]struct {
		maxAge *time.Duration
		err    error
		want   time.Duration
	}{
		"as the issuer says":       {ptr.To(3 * time.Minute), nil, 3 * time.Minute},
		"where it does not say":    {nil, nil, 5 * time.Minute},
		"where it says never":      {ptr.To(24 * time.Hour), nil, 10 * time.Minute},
		"where it says always":     {ptr.To(time.Duration(0)), nil, time.Minute},
		"after a fetch has failed": {nil, errors.New("away"), time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			f, p := newFetches(), anyProvider()
			f.begin(p, nil, false, start)
			f.end(p, tc.maxAge, tc.err, start)
			if got := f.standing(p).pauseUntil.Sub(start); got != tc.want {
				t.Errorf("fetched anew after %v, want %v", got, tc.want)
			}
		})
	}
}

// TestFailedFetchesAreSpread: an issuer that is away is asked once a minute in the end.
func TestFailedFetchesAreSpread(t *testing.T) {
	f, p := newFetches(), anyProvider()
	now := start
	var pauses []time.Duration
	for range 30 {
		if !f.begin(p, nil, true, now) {
			t.Fatalf("nothing is fetched at %v", now)
		}
		f.end(p, nil, errors.New("away"), now)
		next := f.standing(p).pauseUntil
		pauses, now = append(pauses, next.Sub(now)), next
	}
	if pauses[1] != 2*time.Second || pauses[29] != time.Minute {
		t.Errorf("pauses are %v", pauses)
	}
}

// TestAnotherManagerKnowsTheKeys: keys that another manager has fetched are fetched again when they are
// due, or at once if fetching had failed.
func TestAnotherManagerKnowsTheKeys(t *testing.T) {
	known := &v1alpha1.FetchedKeys{FetchedAt: metav1.NewTime(start)}
	if newFetches().begin(anyProvider(), known, false, start.Add(time.Minute)) {
		t.Error("fetched although another manager has just fetched them")
	}
	if !newFetches().begin(anyProvider(), known, true, start.Add(time.Minute)) {
		t.Error("not fetched although the last fetch has failed")
	}
	if !newFetches().begin(anyProvider(), known, false, start.Add(6*time.Minute)) {
		t.Error("not fetched although it is time to")
	}
}

// TestAnotherSourceIsFetchedAtOnce: if the source of the keys, or its certificate authority, changes,
// keys are fetched at once.
func TestAnotherSourceIsFetchedAtOnce(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.IdentityProvider){
		"another URL":       func(p *v1alpha1.IdentityProvider) { p.Spec.Issuer.JWKSURL = "https://login.example.com/keys" },
		"another authority": func(p *v1alpha1.IdentityProvider) { p.Spec.Issuer.CertificateAuthority = "another" },
		"another object":    func(p *v1alpha1.IdentityProvider) { p.UID = "2" },
	} {
		t.Run(name, func(t *testing.T) {
			f, p := newFetches(), anyProvider()
			f.begin(p, nil, false, start)
			f.end(p, nil, nil, start)
			change(p)
			if !f.begin(p, nil, false, start.Add(time.Second)) {
				t.Error("not fetched")
			}
		})
	}
}
