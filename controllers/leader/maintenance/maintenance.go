package maintenance

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// MonthsAhead is for how many months after the present one the ledger has
// partitions. If no manager runs for longer, calls go to the default partition.
const MonthsAhead = 3

const (
	// partitionsEvery is how often partitions are looked after.
	partitionsEvery = 24 * time.Hour
	// firstRetry and lastRetry are the shortest and longest pause after a failure.
	firstRetry = time.Second
	lastRetry  = time.Minute
)

// Partitions are the months of the ledger.
type Partitions interface {
	Ensure(ctx context.Context, monthsAhead int) (made int, err error)
	Detach(ctx context.Context, months int) (detached []string, err error)
}

// Maintenance keeps the schema in shape for as long as the manager leads: it
// migrates first, then, every day, creates the partitions of the months to come and detaches
// those of months long gone.
type Maintenance struct {
	partitions Partitions
	ownerDSN   string
	months     int
}

// New makes a Maintenance. Without an owner's DSN it runs no
// migrations. In the ledger, that many months before the present one stay
// attached: budgetstore.LeastMonths or more, or 0 for all.
func New(partitions Partitions, ownerDSN string, months int) *Maintenance {
	return &Maintenance{partitions: partitions, ownerDSN: ownerDSN, months: months}
}

// NeedLeaderElection keeps all but the leader out.
func (m *Maintenance) NeedLeaderElection() bool { return true }

// Start works until ctx ends. A failure is logged and tried again: Postgres may be
// away for a while, and enforcement goes on without it.
func (m *Maintenance) Start(ctx context.Context) error {
	m.untilDone(ctx, "migrate", func(ctx context.Context) error {
		if m.ownerDSN == "" {
			return nil
		}
		return budgetstore.Migrate(ctx, m.ownerDSN, func(from, to int64) {
			log.FromContext(ctx).Info("Migrating the ledger, which cannot be undone; managers and enforcers of the previous version keep working with it", "from", from, "to", to)
		})
	})
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		m.untilDone(ctx, "make partitions", func(ctx context.Context) error {
			_, err := m.partitions.Ensure(ctx, MonthsAhead)
			if err == nil {
				maintained.SetToCurrentTime()
			}
			return err
		})
		m.untilDone(ctx, "detach partitions", m.detach)
	}, partitionsEvery)
	return nil
}

func (m *Maintenance) detach(ctx context.Context) error {
	if m.months == 0 {
		return nil
	}
	detached, err := m.partitions.Detach(ctx, m.months)
	if len(detached) > 0 {
		log.FromContext(ctx).Info("Detached old months of the ledger, which stay as tables", "tables", detached)
	}
	return err
}

// untilDone does something until it succeeds or ctx ends.
func (m *Maintenance) untilDone(ctx context.Context, what string, do func(context.Context) error) {
	pause := wait.Backoff{Duration: firstRetry, Factor: 2, Jitter: 0.2, Steps: 7, Cap: lastRetry}
	for ctx.Err() == nil {
		err := do(ctx)
		if err == nil {
			return
		}
		maintenanceFailures.Inc()
		log.FromContext(ctx).Error(err, "Failed to maintain the database; will retry", "task", what)
		select {
		case <-ctx.Done():
		case <-time.After(pause.Step()):
		}
	}
}
