package rollup

import (
	"context"
	"maps"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bursar-dev/bursar/controllers/rollout"
)

const (
	// every is how often sums are rolled up.
	every = 15 * time.Second
	// atOnce is how many changes are added to the sums at once.
	atOnce = 20_000
	// timeout bounds each of the steps. One day of a tenant's past is the longest.
	timeout = 10 * time.Minute
)

// Sums are the sums of what was used.
type Sums interface {
	// UnknownZones makes the sums of tenants whose time zone Postgres does not know follow UTC, and
	// returns the time zones of such tenants.
	UnknownZones(ctx context.Context) (byTenant map[string]string, err error)
	// AddQuarter makes the sums of each user for the next quarter of an hour that is over, and returns
	// until when there are such sums now; false if there is no such quarter.
	AddQuarter(ctx context.Context) (until time.Time, added bool, err error)
	// AddChanges adds up to so many changes to the sums, and returns how many there were.
	AddChanges(ctx context.Context, most int) (added int, err error)
	// AddPast makes missing sums, the latest first, and returns the day that it added up; false if none
	// are missing.
	AddPast(ctx context.Context) (day time.Time, added bool, err error)
}

// Roller rolls up sums.
type Roller struct {
	sums Sums
	// unknown are the time zones, by tenant, that Postgres did not know when it was last asked.
	unknown map[string]string
}

// New makes a Roller.
func New(sums Sums) *Roller { return &Roller{sums: sums} }

// NeedLeaderElection keeps all but the leader out.
func (r *Roller) NeedLeaderElection() bool { return true }

// Start rolls up until ctx ends. A failure is logged and tried again: nothing is lost meanwhile.
func (r *Roller) Start(ctx context.Context) error {
	for {
		if err := r.Roll(ctx); err != nil && ctx.Err() == nil {
			failures.Inc()
			log.FromContext(ctx).Error(err, "Failed to add up usage; will retry")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(rollout.Jitter(every)):
		}
	}
}

// Roll rolls up what there is: first the present, then the past.
func (r *Roller) Roll(ctx context.Context) error {
	if err := within(ctx, r.checkZones); err != nil {
		return err
	}
	if err := r.rollPresent(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		var day time.Time
		added := false
		err := within(ctx, func(ctx context.Context) (err error) {
			day, added, err = r.sums.AddPast(ctx)
			return err
		})
		if err != nil || !added {
			return err
		}
		log.FromContext(ctx).Info("Added up calls of which there were no sums", "lastDay", day.Format(time.DateOnly))
		if err := r.rollPresent(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// checkZones logs, when that changes, which tenants have a time zone that Postgres does not know.
func (r *Roller) checkZones(ctx context.Context) error {
	unknown, err := r.sums.UnknownZones(ctx)
	if err != nil {
		return err
	}
	unknownZones.Set(float64(len(unknown)))
	if len(unknown) > 0 && !maps.Equal(unknown, r.unknown) {
		log.FromContext(ctx).Info("Postgres does not know the time zone of tenants: sums of what they used follow UTC until its tzdata has it",
			"timeZones", unknown)
	}
	r.unknown = unknown
	return nil
}

func (r *Roller) rollPresent(ctx context.Context) error {
	for added := true; added && ctx.Err() == nil; {
		err := within(ctx, func(ctx context.Context) (err error) {
			var until time.Time
			until, added, err = r.sums.AddQuarter(ctx)
			if added {
				usersUntil.Set(float64(until.Unix()))
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	for added := atOnce; added == atOnce && ctx.Err() == nil; {
		err := within(ctx, func(ctx context.Context) (err error) {
			added, err = r.sums.AddChanges(ctx, atOnce)
			return err
		})
		if err != nil {
			return err
		}
	}
	rolledUp.SetToCurrentTime()
	return ctx.Err()
}

func within(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return do(ctx)
}
