package budgetstore_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestUnavailable: if Postgres gives no answer, the error says so. An answer that is an
// error, and an error of the caller, are different.
func TestUnavailable(t *testing.T) {
	knows := func(ledger budgetstore.LedgerSnapshot) error {
		_, err := ledger.Recorded(t.Context(), []string{"a call"})
		return err
	}
	nowhere, err := pgxpool.New(t.Context(), "postgres://bursar@127.0.0.1:1/bursar?connect_timeout=1")
	testkit.Must(t, err)
	defer nowhere.Close()
	if err := budgetstore.NewLedgerReader(nowhere).Read(t.Context(), knows); !errors.Is(err, budgetstore.ErrUnavailable) {
		t.Errorf("without a server: %v, want ErrUnavailable", err)
	}
	if err := budgetstore.NewLedgerReader(nowhere).Ping(t.Context()); !errors.Is(err, budgetstore.ErrUnavailable) {
		t.Errorf("ping without a server: %v, want ErrUnavailable", err)
	}
	dsn := migrated(t)
	forbidden := budgetstore.NewLedgerReader(poolAs(t, dsn, "bursar_enforcer"))
	if err := forbidden.Read(t.Context(), knows); err == nil || errors.Is(err, budgetstore.ErrUnavailable) {
		t.Errorf("without the right to read: %v, want another error", err)
	}
	mine := errors.New("mine")
	err = budgetstore.NewLedgerReader(poolAs(t, dsn, "bursar_manager")).Read(t.Context(), func(budgetstore.LedgerSnapshot) error { return mine })
	if !errors.Is(err, mine) || errors.Is(err, budgetstore.ErrUnavailable) {
		t.Errorf("the reader's own error: %v", err)
	}
}
