package api

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// replaysAtOnce is how many changes are replayed at once: each keeps a connection to Postgres busy.
const replaysAtOnce = 3

// errBusy means that a replay has waited too long for others to end.
var errBusy = errors.New("other changes are being previewed")

// replays limits replays: one at a time for each tenant, and a few altogether.
type replays struct{ ofTenant, all *turns }

func newReplays() replays { return replays{newTurns(1), newTurns(replaysAtOnce)} }

// take waits until a change of a tenant may be replayed. The caller must call done after the replay. It fails
// with errBusy if it waits longer than most, and if ctx ends.
func (r replays) take(ctx context.Context, tenant string, most time.Duration) (done func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, most, errBusy)
	defer cancel()
	doneOfTenant, err := r.ofTenant.take(ctx, tenant)
	if err != nil {
		return nil, context.Cause(ctx)
	}
	doneOfAll, err := r.all.take(ctx, "")
	if err != nil {
		doneOfTenant()
		return nil, context.Cause(ctx)
	}
	return func() { doneOfAll(); doneOfTenant() }, nil
}

// busy is the problem of a preview that waited for too long.
func busy() *Problem {
	p := problem(http.StatusTooManyRequests, "busy", "Busy", "other changes are being previewed: try again in a moment")
	p.header = http.Header{"Retry-After": {"10"}}
	return p
}
