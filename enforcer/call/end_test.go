package call_test

import (
	"errors"
	"net/textproto"
	"reflect"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// begin begins a call of a body; read is how often the body was read.
func begin(w *world, key, body string) (c *call.Call, read *int) {
	read = new(int)
	return w.calls.Begin(call.Request{
		Endpoint: protocol.ChatCompletions{}, Method: "POST", Path: "/v1/chat/completions",
		Header: textproto.MIMEHeader{"Authorization": {"Bearer " + key}},
		Body:   func() ([]byte, error) { *read++; return []byte(body), nil },
	}), read
}

// TestEnd: a call has one end, at whatever point its door leaves it, and however often it
// says so.
func TestEnd(t *testing.T) {
	for name, tc := range map[string]struct {
		leave func(*call.Call)
		want  ledgerv1.Outcome
	}{
		"before it was sent":   {func(*call.Call) {}, ledgerv1.Voided},
		"when it was sent":     {func(c *call.Call) { c.Sending() }, ledgerv1.ChargedHold},
		"when it was not":      {func(c *call.Call) { c.Sending(); c.NoAnswer(false, errBroken) }, ledgerv1.Voided},
		"within its answer":    {func(c *call.Call) { answer(c, answerBody[:50]) }, ledgerv1.ChargedHold},
		"before the last word": {func(c *call.Call) { answer(c, answerBody) }, ledgerv1.ChargedHold},
		"at its end":           {func(c *call.Call) { answer(c, answerBody); c.Finish(nil) }, ledgerv1.Settled},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, acme(), "")
			c, _ := begin(w, "key", chat)
			if forward, response := c.Admit(t.Context()); forward == nil || response != nil {
				t.Fatalf("not admitted: %+v", response)
			}
			tc.leave(c)
			c.End()
			c.End()
			w.left(t).check(t, []ledgerv1.Outcome{tc.want}, nil)
		})
	}
}

func answer(c *call.Call, body string) {
	c.Sending()
	c.Answer(200, textproto.MIMEHeader{"Content-Type": {"application/json"}})
	c.Pass([]byte(body))
}

// TestBodyOfAStranger: nothing of a request is read before it is known who sends it.
func TestBodyOfAStranger(t *testing.T) {
	w := newWorld(t, acme(), "")
	c, read := begin(w, "guess", chat)
	defer c.End()
	if _, response := c.Admit(t.Context()); response == nil || response.Problem == nil || response.Status != 401 || *read != 0 {
		t.Errorf("got %+v, and the body was read %d times", response, *read)
	}
}

// TestBodyThatDoesNotArrive: what a door says of a body is what its client is told.
func TestBodyThatDoesNotArrive(t *testing.T) {
	for want, err := range map[int]error{
		400: errors.New("connection reset"), 408: &call.BodyTooSlow{Within: time.Minute, Pause: time.Second}, 413: &call.BodyTooLarge{Limit: 5},
		429: &call.NoRoom{Own: true}, 503: &call.NoRoom{},
	} {
		w := newWorld(t, acme(), "")
		c := w.calls.Begin(call.Request{
			Endpoint: protocol.ChatCompletions{}, Path: "/v1/chat/completions",
			Header: textproto.MIMEHeader{"Authorization": {"Bearer key"}},
			Body:   func() ([]byte, error) { return nil, err },
		})
		if _, response := c.Admit(t.Context()); response == nil || response.Status != want {
			t.Errorf("%v: got %+v, want %d", err, response, want)
		}
		c.End()
		if left := w.left(t); !reflect.DeepEqual(left, remains{}) {
			t.Errorf("%v: leaves %+v", err, left)
		}
	}
}

// TestOurFieldsStay: what a provider's answer says in a field of ours is not the client's.
func TestOurFieldsStay(t *testing.T) {
	w := newWorld(t, acme(), "")
	c, _ := begin(w, "key", chat)
	defer c.End()
	c.Admit(t.Context())
	c.Sending()
	head, _ := c.Answer(200, textproto.MIMEHeader{call.CallIDHeader: {"theirs"}, "X-Request-Id": {"req_1"}})
	if head.Header.Get(call.CallIDHeader) != c.ID() || head.Header.Get("X-Request-Id") != "req_1" {
		t.Errorf("got %v", head.Header)
	}
}
