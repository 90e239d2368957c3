package identity_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apiidentity "github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// told are the uses of keys that were told, each "name at time".
type told struct {
	mu   sync.Mutex
	uses []string
	away bool
}

func (o *told) tell(_ context.Context, at time.Time, names []string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.away {
		return errors.New("connection refused")
	}
	for _, name := range names {
		o.uses = append(o.uses, name+" at "+at.Format(time.RFC3339))
	}
	return nil
}

// setAway sets whether nothing can be told.
func (o *told) setAway(away bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.away = away
}

func (o *told) take() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	uses := o.uses
	o.uses = nil
	slices.Sort(uses)
	return uses
}

// TestUsesAreTold: a key that is used is told once an hour, however often it is used, and what could
// not be told is told later. Keys that nobody knows, or that have expired, are not told.
func TestUsesAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		expired := time.Now()
		people := &people{members: apiidentity.NewDirectory(), credentials: map[[sha256.Size]byte][]limiterv1.Credential{
			sha256.Sum256([]byte("key-of-bob")): {{SHA256: "b0b", Name: "acme/bob", Tenant: "acme", User: "bob"}},
			sha256.Sum256([]byte("key-of-ana")): {{SHA256: "a7a", Name: "acme/ana", Tenant: "acme", User: "ana"}},
			sha256.Sum256([]byte("key-of-old")): {{SHA256: "01d", Name: "acme/old", Tenant: "acme", User: "old", ExpiresAt: &expired}},
		}}
		o := &told{}
		identifier := identity.NewIdentifier(identity.Options{Config: people, Protocols: protocol.Protocols(), TellUses: o.tell})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { identifier.Run(ctx) })
		use := func(key string) {
			_, _ = identifier.Identify(t.Context(), identity.Request{Protocol: protocol.OpenAI{}, Header: http.Header{"Authorization": {"Bearer " + key}}})
		}
		want := func(uses ...string) {
			t.Helper()
			time.Sleep(10 * time.Second) // of the bubble's clock
			synctest.Wait()
			if got := o.take(); !slices.Equal(got, uses) {
				t.Errorf("told %q, want %q", got, uses)
			}
		}
		hour := time.Now().UTC().Truncate(time.Hour)
		at := func(name string, hours int) string {
			return fmt.Sprintf("%s at %s", name, hour.Add(time.Duration(hours)*time.Hour).Format(time.RFC3339))
		}
		for range 1000 {
			use("key-of-bob")
		}
		use("key-of-eve")
		use("key-of-old")
		want(at("acme/b0b", 0))
		use("key-of-bob")
		use("key-of-ana")
		want(at("acme/a7a", 0))
		time.Sleep(time.Hour)
		o.setAway(true)
		use("key-of-bob")
		want()
		o.setAway(false)
		want(at("acme/b0b", 1))
		use("key-of-ana")
		cancel()
		running.Wait()
		if got := o.take(); !slices.Equal(got, []string{at("acme/a7a", 1)}) {
			t.Errorf("told at the end %q", got)
		}
	})
}
