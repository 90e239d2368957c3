package e2e

import (
	"bufio"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestShutdownFinishesStreams: an enforcer that is told to end in the middle of a
// stream sends the rest of it, settles the call and has it in the ledger before
// it ends.
func TestShutdownFinishesStreams(t *testing.T) {
	const tokens = 40
	if err := bursar.Apply(t.Context(), tenantYAML("shutdown", "1.00")); err != nil {
		t.Fatal(err)
	}
	enforcer, err := bursar.StartEnforcer(t.Context(), "enforcer-to-end")
	if err != nil {
		t.Fatal(err)
	}
	programmed(t)
	response, err := chat(t.Context(), enforcer.URL, "shutdown", map[string]any{
		"model": "gpt-4o", "stream": true, "max_completion_tokens": tokens,
		"messages": prompt(secretPrompt + " [[output=40 delay=50ms]]"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("the stream began with %s", response.Status)
	}
	lines := bufio.NewScanner(response.Body)
	told, done := false, false
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "data:") && !told {
			if err := enforcer.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			told = true
		}
		done = done || lines.Text() == "data: [DONE]"
	}
	if err := lines.Err(); err != nil || !done {
		t.Errorf("the stream ended with error %v, and [DONE] seen: %t", err, done)
	}
	select {
	case <-enforcer.Done():
	case <-time.After(15 * time.Second):
		t.Fatal("the enforcer did not end")
	}
	// It has ended, so whatever it had to write is written.
	calls, cost := ledger(t, "shutdown")
	if billed := billOf(response.Header.Get("X-Bursar-Call-Id")); calls != 1 || cost != billed || cost == 0 {
		t.Errorf("the ledger has %d calls for %d nano-dollars, want 1 for %d", calls, cost, billed)
	}
}

// billOf is what the provider wants for a call.
func billOf(id string) (nanos int64) {
	for _, call := range bursar.Provider.Bill().Calls {
		if call.ID == id {
			nanos += call.CostNanos
		}
	}
	return nanos
}
