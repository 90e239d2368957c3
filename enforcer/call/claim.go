package call

import (
	"context"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/enforcer/digest"
	"github.com/bursar-dev/bursar/enforcer/idempotency"
	"github.com/bursar-dev/bursar/enforcer/retry"
)

const (
	// maxIdempotencyKey is the length of the longest name.
	maxIdempotencyKey = 255
	// releaseFor is how long the release of a name is tried.
	releaseFor = time.Minute
)

// claimName claims the name that the caller has given the call. If another call has it,
// the request gets the answer of that call, or is refused.
func (c *Call) claimName(ctx context.Context) *Problem {
	names := c.Header.Values(IdempotencyKeyHeader)
	if len(names) == 0 {
		return nil
	}
	if len(names) > 1 || !validIdempotencyKey(names[0]) {
		return badIdempotencyKey()
	}
	name := idempotency.Name{Tenant: c.subject.Tenant, User: c.subject.User, Key: names[0]}
	claim := idempotency.NewClaim(name, c.id, c.same)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), admitTimeout)
	defer cancel()
	standing, taken, err := c.calls.Claims.Take(ctx, claim)
	switch {
	case err != nil:
		c.calls.Log.Error("failed to claim an Idempotency-Key", "call", c.id, "error", err)
		go c.calls.release(standing)
		return storeLost()
	case taken:
		c.claim, c.recording = &standing, &recording{}
		return nil
	}
	return c.repeat(ctx, standing, standing.Request == claim.Request)
}

// validIdempotencyKey reports whether the name is 1 to maxIdempotencyKey visible ASCII characters.
func validIdempotencyKey(name string) bool {
	return 0 < len(name) && len(name) <= maxIdempotencyKey &&
		!strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' })
}

// repeat answers a request whose name another call has: with the answer of that call,
// if the request is the same and the answer is there.
func (c *Call) repeat(ctx context.Context, first idempotency.Claim, same bool) *Problem {
	if !same {
		return idempotencyKeyReused(first.Call)
	}
	if answer, ok := c.calls.Replays.Get(replayOf(first.Call), idempotency.MaxWindow); ok {
		c.header.Set(ReplayedHeader, "true")
		c.give(answer)
		c.calls.Metrics.replays.Inc()
		return nil
	}
	if first.Made {
		return answerGone(first.Call)
	}
	interrupted, err := c.calls.Claims.Interrupted(ctx, first)
	switch {
	case err != nil:
		c.calls.Log.Error("failed to look up an Idempotency-Key", "call", c.id, "error", err)
		return storeLost()
	case interrupted:
		return callInterrupted(first.Call)
	}
	return underWay(first.Call)
}

func replayOf(call string) digest.Digest { return digest.Of([]byte(call)) }

// free frees the name of a call that costs nothing, if it has one, so that it can be
// asked for again at once.
func (c *Call) free() {
	if c.claim != nil && c.voided() {
		c.calls.release(*c.claim)
		c.claim = nil
	}
}

// release frees a name. If that fails, it is tried again off the client's path.
func (calls *Calls) release(claim idempotency.Claim) {
	ctx, cancel := context.WithTimeout(context.Background(), admitTimeout)
	defer cancel()
	if calls.Claims.Release(ctx, claim) == nil {
		return
	}
	go func() {
		ctx, cancel := context.WithTimeout(calls.settling, releaseFor)
		defer cancel()
		release := func(ctx context.Context) error { return calls.Claims.Release(ctx, claim) }
		if err := retry.Until(ctx, release, ignore); err != nil {
			calls.Log.Error("failed to release the Idempotency-Key of a call that was not made", "call", claim.Call, "error", err)
		}
	}()
}

func ignore(error, time.Duration) {}

// endClaim ends the claim of a call that has ended, if it has one, and keeps the
// answer to be given again.
func (c *Call) endClaim() {
	c.free()
	if c.claim == nil {
		return
	}
	if answer, ok := c.recording.kept(); ok {
		removeRateFields(answer.Header, c.Endpoint.Protocol()) // they will no longer be true
		delete(answer.Header, LimitHeader)
		delete(answer.Header, LeftHeader)
		c.calls.Replays.Put(replayOf(c.id), answer, idempotency.MaxWindow)
	}
	claim := *c.claim
	c.calls.open.Add(1)
	go func() {
		defer c.calls.open.Done()
		keep := func(ctx context.Context) error { return c.calls.Claims.Keep(ctx, claim) }
		if err := retry.Until(c.calls.settling, keep, ignore); err != nil {
			c.calls.Log.Error("failed to mark the call of an Idempotency-Key as ended; it stays in progress", "call", c.id, "error", err)
		}
	}()
}
