package e2e

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestRefusedCallIsOnRecord: a refused call is on record under the ID in its answer, with
// the limit that refused it.
func TestRefusedCallIsOnRecord(t *testing.T) {
	apply(t, tenantYAML("refused", "0.01"))
	if status, _ := penny(t, "refused"); status != http.StatusOK {
		t.Fatalf("the first cent: status %d", status)
	}
	status, header := penny(t, "refused")
	if status != http.StatusTooManyRequests {
		t.Fatalf("the second cent: status %d", status)
	}
	var got string
	eventually(t, "the refusal is on record", func() bool {
		got = ""
		conn, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
		err = conn.QueryRow(t.Context(), `
SELECT concat_ws(' ', tenant_id, user_id, model, reason, limit_name, period, amount_nanos, spent_nanos + held_nanos, bound_nanos)
FROM ai_refusals WHERE call_id = $1`, header.Get("X-Bursar-Call-Id")).Scan(&got)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			t.Fatal(err)
		}
		return got != ""
	})
	// The first cent may be held or spent by now, the amount is the same.
	if want := "refused user penny BudgetExhausted yearly Year 10000000 10000000 10000000"; got != want {
		t.Errorf("on record: %q, want %q", got, want)
	}
}
