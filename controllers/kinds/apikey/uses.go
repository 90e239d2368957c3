package apikey

import (
	"context"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/feed"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

const (
	// lookAtUses is how often the controller reads which keys were used, and usesAtOnce how many
	// statuses it then updates at most: with 10,000 keys in use, that is 300 writes a minute.
	lookAtUses = 30 * time.Second
	usesAtOnce = 150
)

// KeyUses has the times at which keys were used, as enforcers report them.
type KeyUses interface {
	Since(ctx context.Context, from time.Time) (map[string]time.Time, error)
	Drop(ctx context.Context, before time.Time) error
}

// lastUses chooses the keys whose last use is written into statuses now. The last use of other keys
// stays as the status has it, even if their reconcile sees a later one: otherwise a manager that
// starts would write the statuses of all keys at once.
type lastUses struct {
	store KeyUses

	mu sync.Mutex
	// due are the uses to be written, and written those that were chosen before, by the names of
	// the keys' documents.
	due, written map[string]time.Time
}

func newLastUses(store KeyUses) *lastUses {
	return &lastUses{store: store, due: map[string]time.Time{}, written: map[string]time.Time{}}
}

// of is when the key was last used, if that is due to be written, or else was, which its status has.
func (u *lastUses) of(document string, was *metav1.Time) *metav1.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	at, isDue := u.due[document]
	if !isDue || was != nil && !at.After(was.Time) {
		return was
	}
	return &metav1.Time{Time: at}
}

// choose is given the last use of each document's key, and returns the names of up to usesAtOnce
// documents whose statuses have to be updated now.
func (u *lastUses) choose(uses map[string]time.Time) (chosen []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.due)
	for document := range u.written {
		if _, stays := uses[document]; !stays {
			delete(u.written, document)
		}
	}
	for document, at := range uses {
		if len(chosen) == usesAtOnce {
			break
		}
		if was, found := u.written[document]; found && !at.After(was) {
			continue
		}
		u.due[document], u.written[document] = at, at
		chosen = append(chosen, document)
	}
	return chosen
}

// hearUses adds the APIKeys that were used, until ctx ends.
func (c *Controller) hearUses(ctx context.Context, queue feed.Queue) error {
	go func() {
		tick := time.NewTicker(lookAtUses)
		defer tick.Stop()
		for {
			c.addUsed(ctx, queue)
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}()
	return nil
}

// addUsed adds the APIKeys whose last use is due to be written.
func (c *Controller) addUsed(ctx context.Context, queue feed.Queue) {
	now := c.clock.Now()
	uses, err := c.uses.store.Since(ctx, now.Add(-limiterv1.KeyUsesKept))
	if err == nil {
		err = c.uses.store.Drop(ctx, now.Add(-limiterv1.KeyUsesKept))
	}
	if err != nil {
		log.FromContext(ctx).V(1).Info("Failed to read when keys were used", "error", err.Error())
		return
	}
	for _, document := range c.uses.choose(uses) {
		namespace, hash, _ := strings.Cut(document, "/")
		for _, request := range c.find(ctx, client.InNamespace(namespace), client.MatchingFields{index.KeyHash: hash}) {
			rollout.AddLowPriority(queue, request)
		}
	}
}

// lastUse finds when the keys were last used, as the status may say it.
func (c *Controller) lastUse(_ context.Context, s *scope) error {
	s.used = map[string]*metav1.Time{}
	for _, known := range s.Object.Status.Keys {
		s.used[known.SHA256] = known.LastUsedTime
	}
	for _, hash := range s.Object.Hashes() {
		s.used[hash] = c.uses.of(limiterv1.CredentialName(s.Object.Namespace, hash), s.used[hash])
	}
	return nil
}
