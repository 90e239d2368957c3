//go:build clients

package clients

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestCostComment: a client that asks for what a stream cost is told in a comment at its end, and
// reads the stream as any other. Google's client cannot, and is not told.
func TestCostComment(t *testing.T) {
	sideBySide(t, "cost comment", func(c call) bool { return c.kind == streamed }, func(t *testing.T, c call) {
		d := newDoor(t)
		d.adds = http.Header{"X-Bursar-Cost-Comment": {"true"}}
		if r := c.make(t, d, "rich"); r.Error != nil || !c.answers(r.Text) {
			t.Errorf("got %q, error %+v", r.Text, r.Error)
		}
		log := d.log()
		if len(log) != 1 {
			t.Fatalf("answers %+v, want one", log)
		}
		checkBill(t, log[0].callID)
		said, ended := d.heard()
		if ended == 0 {
			return // as OpenAI's clients stop at [DONE]
		}
		if told := strings.Contains(said, "\n: bursar call-id="+log[0].callID+" cost-usd=0.0"); told != (c.client.name != "genai") {
			t.Errorf("whether the stream tells its cost: %t, in\n%s", told, said)
		}
	})
}

// TestThreads: in a conversation that Anthropic keeps, a request has only what is new. If nothing
// bounds such a request, the tool runner continues by itself with the whole conversation.
func TestThreads(t *testing.T) {
	for name, want := range map[string][]int{"thread": {200, 200, 200}, "unbounded": {200, 400, 200}} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t)
			r := (call{client: client{name: "anthropic"}, api: name}).make(t, d, "rich")
			if r.Error != nil || !strings.HasPrefix(r.Text, "token0 ") {
				t.Errorf("got %q, error %+v", r.Text, r.Error)
			}
			var got []int
			for _, answer := range d.log() {
				if got = append(got, answer.status); answer.status == http.StatusOK {
					checkBill(t, answer.callID)
				}
			}
			if !slices.Equal(got, want) {
				said, _ := d.heard()
				t.Errorf("answers of %v, want %v: %s", got, want, said)
			}
		})
	}
}

// TestCompaction: OpenAI's clients have a conversation made short.
func TestCompaction(t *testing.T) {
	for _, c := range []client{{name: "openai"}, {name: "openai-go", inGo: true}} {
		t.Run(c.name, func(t *testing.T) {
			d := newDoor(t)
			if r := (call{client: c, api: "compact"}).make(t, d, "rich"); r.Error != nil || r.Text != "compaction" {
				t.Fatalf("got %q, error %+v", r.Text, r.Error)
			}
			checkBill(t, d.log()[0].callID)
		})
	}
}
