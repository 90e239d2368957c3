package marks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/console/said"
	"github.com/bursar-dev/bursar/history"
)

const (
	// MostTests is how many tests a tenant can have sent within an hour.
	MostTests = 10
	// MostMutes is how often an alert can be muted or unmuted within an hour, because each time
	// stays on record, and is read before messages are sent.
	MostMutes = 20
)

var (
	// ErrTooMany means that a tenant has asked for MostTests tests within an hour.
	ErrTooMany = errors.New("too many tests were asked for within the hour")
	// ErrTooManyMutes means that an alert was muted or unmuted MostMutes times within an hour.
	ErrTooManyMutes = errors.New("the alert was muted or unmuted too often within the hour")
)

// Marks are what people say of alerts.
type Marks struct{ db history.Database }

// New makes Marks of a login that is a member of bursar_reader and of bursar_console.
func New(db history.Database) *Marks { return &Marks{db} }

// Mark is what somebody says about an alert of a tenant.
type Mark struct {
	Tenant, AlertID string
	Mark            ledgerv1.Mark
	// By is who says it.
	By string
	// Until is when a Mute ends; otherwise zero.
	Until time.Time
}

const (
	// One at a time, for each alert, so that each counts those before it.
	oneMark = `SELECT pg_advisory_xact_lock(hashtextextended('bursar mark ' || $1, 0))`
	muted   = `SELECT count(*) FROM alert_marks WHERE alert_id = $1::uuid AND mark <> 'Acknowledge' AND marked_at > now() - interval '1 hour'`
)

// Repeating an acknowledgement changes nothing: the first one stays on record.
const add = `
INSERT INTO alert_marks (alert_id, tenant_id, mark, marked_by, muted_until)
SELECT a.alert_id, a.tenant_id, @mark, @by, @until
FROM cost_alerts AS a
WHERE a.tenant_id = @tenant AND a.alert_id::text = @alert
  AND NOT (@mark = 'Acknowledge' AND EXISTS (SELECT FROM alert_marks AS m WHERE m.alert_id = a.alert_id AND m.mark = 'Acknowledge'))
  AND NOT (@mark = 'Unmute' AND coalesce((alert_muting(a)).mark, '') <> 'Mute')`

// Add adds a mark. If the alert does not exist, it adds nothing. It fails with ErrTooManyMutes if
// the alert was muted or unmuted MostMutes times within an hour.
func (ms *Marks) Add(ctx context.Context, m Mark) error {
	var until *time.Time
	if m.Mark == ledgerv1.Mute {
		until = &m.Until
	}
	return ms.write(ctx, m.Tenant, func(tx pgx.Tx) error {
		if err := checkMutes(ctx, tx, m); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, add, pgx.NamedArgs{"tenant": m.Tenant, "alert": m.AlertID, "mark": m.Mark, "by": m.By, "until": until})
		return err
	})
}

func checkMutes(ctx context.Context, tx pgx.Tx, m Mark) error {
	if m.Mark == ledgerv1.Acknowledge {
		return nil
	}
	if _, err := tx.Exec(ctx, oneMark, m.AlertID); err != nil {
		return err
	}
	var before int
	if err := tx.QueryRow(ctx, muted, m.AlertID).Scan(&before); err != nil {
		return err
	}
	if before >= MostMutes {
		return ErrTooManyMutes
	}
	return nil
}

// Test is a test message that somebody wants sent.
type Test struct {
	Tenant string
	// BudgetUID is that of the tenant's TenantBudget.
	BudgetUID string
	// Message says what it is.
	Message    string
	Recipients []ledgerv1.Recipient
}

const (
	// One at a time, for each tenant, so that each counts those before it.
	oneTest  = `SELECT pg_advisory_xact_lock(hashtextextended('bursar test ' || $1, 0))`
	askedFor = `SELECT count(*) FROM cost_alerts WHERE tenant_id = $1 AND action = 'Test' AND raised_at > now() - interval '1 hour'`
	addTest  = `
INSERT INTO cost_alerts (tenant_id, budget_uid, limit_name, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message, resolved_at, resolution)
VALUES (@tenant, @uid, '', clock_timestamp(), clock_timestamp(), @action, 0, 0, 0, @message, now(), @resolution)
RETURNING alert_id::text`
	addDelivery = `INSERT INTO alert_deliveries (alert_id, tenant_id, channel, recipient) VALUES (@alert::uuid, @tenant, @channel, @address)`
)

// AddTest has a test sent, and returns the ID of its alert. It fails with ErrTooMany if the
// tenant has had MostTests of them sent within an hour.
func (ms *Marks) AddTest(ctx context.Context, test Test) (id string, err error) {
	err = ms.write(ctx, test.Tenant, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, oneTest, test.Tenant); err != nil {
			return err
		}
		var asked int
		if err := tx.QueryRow(ctx, askedFor, test.Tenant).Scan(&asked); err != nil {
			return err
		}
		if asked >= MostTests {
			return ErrTooMany
		}
		args := pgx.NamedArgs{"tenant": test.Tenant, "uid": test.BudgetUID, "action": ledgerv1.Test, "message": test.Message, "resolution": ledgerv1.Tested}
		if err := tx.QueryRow(ctx, addTest, args).Scan(&id); err != nil {
			return err
		}
		for _, r := range test.Recipients {
			if _, err := tx.Exec(ctx, addDelivery, pgx.NamedArgs{"alert": id, "tenant": test.Tenant, "channel": r.Channel, "address": r.Address}); err != nil {
				return err
			}
		}
		return nil
	})
	return id, err
}

// write writes as an admin of a tenant.
func (ms *Marks) write(ctx context.Context, tenant string, do func(pgx.Tx) error) error {
	err := said.Write(ctx, ms.db, history.As{Tenant: tenant, Admin: true}, do)
	if err != nil && !errors.Is(err, ErrTooMany) && !errors.Is(err, ErrTooManyMutes) {
		return fmt.Errorf("write what is said of an alert of tenant %s: %w", tenant, err)
	}
	return err
}
