package proxy_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestBeforeTheSession: a call waits for a moment until others know of the session, and
// none is taken before, though its configuration is there.
func TestBeforeTheSession(t *testing.T) {
	begun := make(chan struct{})
	d := newDoor(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{}`)) },
		func(o *doorOptions) { o.Begun = begun })
	if got := d.call(chat); got.status != 503 || !strings.Contains(got.body, "limiter_unavailable") {
		t.Errorf("before the session: %d %s", got.status, got.body)
	}
	waiting := make(chan reply)
	go func() { waiting <- d.call(chat) }()
	close(begun)
	if got := <-waiting; got.status != 200 {
		t.Errorf("when it has begun: %d %s", got.status, got.body)
	}
	if n := len(d.ledger.all()); n > 1 {
		t.Errorf("%d calls were made, want one", n)
	}
}
