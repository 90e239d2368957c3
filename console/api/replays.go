package api

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// replaysAtOnce is how many changes are replayed at once: each keeps a connection to Postgres busy.
const replaysAtOnce = 3

// errBusy means that so many changes are being replayed that another waited for too long.
var errBusy = errors.New("other changes are being previewed")

// replays have the replays of a tenant wait for one another, and all of them for a few.
type replays struct{ ofTenant, all *turns }

func newReplays() replays { return replays{newTurns(1), newTurns(replaysAtOnce)} }

// take waits until a change of a tenant may be replayed. The caller must call done when it has been. It fails with
// errBusy when that takes longer than most, and when ctx ends before.
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
