package proxy_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/enforcer/call"
)

// TestCostOfAnAnswer: a whole answer says what it cost, as the ledger has it, unless it is too
// large or too slow to be held back, or a stream. The client gets the same bytes either way.
func TestCostOfAnAnswer(t *testing.T) {
	late := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for range 3 { // as some providers do while they think
			_, _ = fmt.Fprint(w, "\n")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(700 * time.Millisecond)
		}
		_, _ = fmt.Fprint(w, answer)
	}
	large := strings.Repeat(" ", 300<<10) + answer
	for name, tc := range map[string]struct {
		upstream http.HandlerFunc
		request  string
		want     string
		tells    bool
	}{
		"whole":        {whole(200, answer), chat, answer, true},
		"an error":     {whole(422, `{"error":{}}`), chat, `{"error":{}}`, true},
		"of much":      {whole(200, large), chat, large, false},
		"that is late": {late, chat, "\n\n\n" + answer, false},
		"streamed":     {stream(chunk, usageChunk, done), streamedChat, chunk + done, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, tc.upstream)
			got := d.call(tc.request)
			entry, _ := d.ending()
			if told := got.header.Get(call.CostHeader); tc.tells != (told != "") || tc.tells && told != entry.Cost.String() {
				t.Errorf("the answer says %q, the ledger %s", told, entry.Cost)
			}
			if got.body != tc.want {
				t.Errorf("the client sees %d bytes, want %d", len(got.body), len(tc.want))
			}
		})
	}
}
