package limiterstore

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Lease says which manager leads.
type Lease interface {
	// Held fails unless this manager is seen to hold the Lease at a moment during the call.
	Held(ctx context.Context) error
}

// term is the time in which this manager leads, by a random name.
//
// A manager that is paused for longer than its Lease lasts resumes in the middle of its
// work, and does not know yet that another leads. Its writes must not overwrite those of the
// other. So a leader first begins a term in Redis, and then checks that it still holds the
// Lease; only then does the term count. The next holder of the Lease begins its own term
// before it reads or writes anything, and Redis refuses what comes in an earlier term. Terms
// are not compared as older or newer: a Redis that has lost the term, or has one from a
// backup, refuses all writes until the leader begins a new term.
type term struct {
	lease Lease
	// mu lets one at a time begin.
	mu   sync.Mutex
	name string
}

// NewLeaderDocuments makes Documents that change only while the manager leads. They may be made
// before it does.
func NewLeaderDocuments(client redis.UniversalClient, lease Lease) *Documents {
	return &Documents{client: client, term: &term{lease: lease}}
}

// begun returns the name of the term; empty for a process without rivals. If the term is the
// one that is over, it begins another.
func (d *Documents) begun(ctx context.Context, over string) (string, error) {
	if d.term == nil {
		return "", nil
	}
	d.term.mu.Lock()
	defer d.term.mu.Unlock()
	if d.term.name != over {
		return d.term.name, nil
	}
	// Each attempt has another name: a term counts only once the Lease is confirmed.
	name := uuid.NewString()
	if err := d.client.Set(ctx, limiterv1.TermKey, name, 0).Err(); err != nil {
		return "", fmt.Errorf("begin to lead: %w", unanswered(err))
	}
	if err := d.term.lease.Held(ctx); err != nil {
		return "", fmt.Errorf("begin to lead: %w", err)
	}
	d.term.name = name
	return name, nil
}

// change runs a script that changes documents, with the term as its last key and argument. If
// the term is over although the manager still leads, it begins another.
func (d *Documents) change(ctx context.Context, script *redis.Script, keys []string, args ...any) *redis.Cmd {
	var over string
	for attempt := 1; ; attempt++ {
		name, err := d.begun(ctx, over)
		if err != nil {
			return failed(ctx, err)
		}
		answer := script.Run(ctx, d.client, append(keys, limiterv1.TermKey), append(args, name)...)
		if redis.HasErrorPrefix(answer.Err(), "LOST") {
			return failed(ctx, &SuspendedError{Reason: "the limiter lost its configuration, which is being restored"})
		}
		if !redis.HasErrorPrefix(answer.Err(), "OVER") || attempt == 2 {
			answer.SetErr(unanswered(answer.Err()))
			return answer
		}
		over = name
	}
}

func failed(ctx context.Context, err error) *redis.Cmd {
	answer := redis.NewCmd(ctx)
	answer.SetErr(err)
	return answer
}
