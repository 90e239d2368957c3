package proxy

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/idempotency"
	"github.com/bursar-dev/bursar/enforcer/retry"
)

const (
	// IdempotencyKeyHeader is the field of a request in which the caller names the call.
	IdempotencyKeyHeader = "Idempotency-Key"
	// ReplayedHeader is the field of an answer that was given before.
	ReplayedHeader = "Idempotent-Replayed"
	// maxIdempotencyKey is the length of the longest name.
	maxIdempotencyKey = 255
	// releaseFor is how long the release of a name is tried for.
	releaseFor = time.Minute
)

// Claims say which call has a name.
type Claims interface {
	Take(ctx context.Context, claim idempotency.Claim) (standing idempotency.Claim, taken bool, err error)
	Release(ctx context.Context, claim idempotency.Claim) error
	Keep(ctx context.Context, claim idempotency.Claim) error
	Interrupted(ctx context.Context, claim idempotency.Claim) (bool, error)
}

// claim claims the name that the caller has given the call, or answers what was
// answered when it was made.
func (p *Proxy) claim(c *call, w http.ResponseWriter, r *http.Request) *refusal {
	names := r.Header.Values(IdempotencyKeyHeader)
	if len(names) == 0 {
		return nil
	}
	if len(names) > 1 || !validIdempotencyKey(names[0]) {
		return badIdempotencyKey()
	}
	name := idempotency.Name{Tenant: c.subject.Tenant, User: c.subject.User, Key: names[0]}
	claim := idempotency.NewClaim(name, c.id, c.same[:])
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), admitTimeout)
	defer cancel()
	standing, taken, err := p.Claims.Take(ctx, claim)
	switch {
	case err != nil:
		p.Log.Error("an Idempotency-Key could not be claimed", "call", c.id, "error", err)
		go p.release(standing)
		return storeLost()
	case taken:
		c.claim, c.recording = &standing, &recording{}
		return nil
	}
	return p.repeat(ctx, c, w, standing, standing.Request == claim.Request)
}

// validIdempotencyKey is whether the name is one of visible ASCII characters.
func validIdempotencyKey(name string) bool {
	return 0 < len(name) && len(name) <= maxIdempotencyKey &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
}

// repeat answers a request whose name another call has: as that one was answered if
// the request is the same.
func (p *Proxy) repeat(ctx context.Context, c *call, w http.ResponseWriter, first idempotency.Claim, same bool) *refusal {
	if !same {
		return idempotencyKeyReused(first.Call)
	}
	if answer, ok := p.Replays.Get(replayOf(first.Call), idempotency.MaxWindow); ok {
		w.Header().Set(ReplayedHeader, "true")
		p.give(c, w, answer)
		p.Metrics.replays.Inc()
		return nil
	}
	if first.Made {
		return answerGone(first.Call)
	}
	interrupted, err := p.Claims.Interrupted(ctx, first)
	switch {
	case err != nil:
		p.Log.Error("an Idempotency-Key could not be looked up", "call", c.id, "error", err)
		return storeLost()
	case interrupted:
		return callInterrupted(first.Call)
	}
	return underWay(first.Call)
}

func replayOf(call string) answercache.Key { return answercache.KeyOf([]byte(call)) }

// free frees the name of a call that costs nothing, if it has one, so that it can be
// asked for again at once.
func (p *Proxy) free(c *call) {
	if c.claim != nil && c.voided() {
		p.release(*c.claim)
		c.claim = nil
	}
}

// release frees a name. When that fails it is tried on, off the client's path.
func (p *Proxy) release(claim idempotency.Claim) {
	ctx, cancel := context.WithTimeout(context.Background(), admitTimeout)
	defer cancel()
	if p.Claims.Release(ctx, claim) == nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(p.settling, releaseFor)
		defer cancel()
		if err := retry.Until(ctx, func(ctx context.Context) error { return p.Claims.Release(ctx, claim) }, ignore); err != nil {
			p.Log.Error("an Idempotency-Key stays taken by a call that was not made", "call", claim.Call, "error", err)
		}
	}()
}

func ignore(error, time.Duration) {}

// endClaim ends the claim of a call that has ended, if it has one, and keeps the
// answer to be given again.
func (p *Proxy) endClaim(c *call) {
	p.free(c)
	if c.claim == nil {
		return
	}
	if answer, ok := c.recording.whole(); ok {
		for name := range answer.Header {
			if strings.HasPrefix(name, "X-Ratelimit-") {
				delete(answer.Header, name) // it is no longer so
			}
		}
		p.Replays.Put(replayOf(c.id), answer, idempotency.MaxWindow)
	}
	claim := *c.claim
	p.calls.Add(1)
	go func() {
		defer p.calls.Done()
		err := retry.Until(p.settling, func(ctx context.Context) error { return p.Claims.Keep(ctx, claim) }, ignore)
		if err != nil {
			p.Log.Error("an Idempotency-Key stays that of a call under way", "call", c.id, "error", err)
		}
	}()
}
