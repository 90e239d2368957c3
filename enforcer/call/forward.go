package call

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"mime"
	"slices"
	"strconv"
	"strings"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// Why a door itself ends an answer: Finish takes these errors, wrapped or not.
var (
	// ErrClientGone: the client has gone, and the provider was left before the answer came
	// to its end.
	ErrClientGone = errors.New("the client has disconnected")
	// ErrStopped: the door is being closed.
	ErrStopped = errors.New("the enforcer is shutting down")
)

// ahead is how long a provider may go on after it was left: what was on its way through
// the network, both ways, and what it takes to stop a model.
const ahead = 100 * time.Millisecond

// Head is what the client sees before the body of the provider's answer.
type Head struct {
	Status int
	// Header has all fields that the client is to see. It is not to be changed. That of an
	// answer that is not streamed has more when Finish has returned, for a door that has not
	// sent the head by then.
	Header protocol.Header
	// Streamed is whether to send the head before any of the body has come. It may change
	// when the first of the body comes.
	Streamed bool
}

// Rest is what is left to be done for the client when the provider's answer has ended.
type Rest struct {
	// Instead is what the client gets in the place of an answer of which Pass has returned
	// nothing: it was cut off. A door that has sent the head cuts the connection.
	Instead *Response
	// Piece is what the client is still to see of the answer.
	Piece []byte
	// Trailer are fields that follow the body of an answer whose head was sent before they
	// were known.
	Trailer protocol.Header
	// Cut is whether the connection is to be cut after that: nothing else tells the client
	// that there is more to the answer.
	Cut bool
}

// Sending says that the provider is asked now: from here on nobody knows what the call
// costs before NoAnswer, Answer or Finish says so. REQUIRES: Admit returned a Forward.
func (c *Call) Sending() {
	c.forward.sent, c.forward.begun = true, time.Now()
}

// NoAnswer says that there is no answer, and why; sent is whether the provider may have
// been asked. It returns what the client gets.
func (c *Call) NoAnswer(sent bool, err error) *Response {
	c.forward.sent = sent
	provider := c.route.Provider.Name
	c.calls.Metrics.answered(provider, 0, c.forward.begun)
	c.calls.Log.Warn("no answer from a provider", "provider", provider, "call", c.id, "error", err)
	c.calls.Providers.Failed(c.route.Provider, err)
	if !sent {
		return c.refuseForwarded(c.unreached(err))
	}
	return c.refuseForwarded(noAnswer())
}

// Answer takes the status and the header of the provider's answer; the header is the
// call's from then on. It returns what the client sees of them, or else what it gets in
// the place of an answer that it must not see.
func (c *Call) Answer(status int, header protocol.Header) (*Head, *Response) {
	f := &c.forward
	f.status = status
	provider := c.route.Provider.Name
	c.calls.Metrics.answered(provider, status, f.begun)
	c.free()
	f.encoded = isEncoded(header)
	if !f.encoded {
		f.rejects = protocol.KeyRejection(c.Endpoint.Protocol(), status)
	}
	if f.rejects == nil {
		if broken := c.reportAnswer(status); unusable(status, header, broken) {
			return nil, c.refuseForwarded(c.unusableAnswer(status))
		}
	}
	c.calls.withheld.removeFrom(header)
	f.head = Head{Status: status, Header: header, Streamed: isStream(status, header)}
	maps.Copy(header, c.header) // our own fields stay
	f.length, _ = strconv.ParseInt(header.Get("Content-Length"), 10, 64)
	if f.head.Streamed || c.asked.streamed {
		delete(header, "Content-Length") // it counts what will be left out
	}
	read := c.bounded.Whole
	f.other = c.bounded.Stream
	if f.head.Streamed {
		read, f.other = f.other, read
	}
	if status >= 300 || f.encoded {
		f.other = nil // nothing is billed for it, or nothing of it can be read
	}
	f.answer = read()
	c.letGo()
	if f.head.Streamed {
		c.show()
	}
	return &f.head, nil
}

func isEncoded(header protocol.Header) bool {
	for _, encodings := range header["Content-Encoding"] {
		for encoding := range strings.SplitSeq(encodings, ",") {
			if encoding = strings.TrimSpace(encoding); encoding != "" && !strings.EqualFold(encoding, "identity") {
				return true
			}
		}
	}
	return false
}

func isStream(status int, header protocol.Header) bool {
	return mediaType(header) == "text/event-stream" && status < 300
}

// mediaType is the type of an answer without its parameters, which may be wrong; empty where
// it cannot be read.
func mediaType(header protocol.Header) string {
	kind, _, err := mime.ParseMediaType(header.Get("Content-Type"))
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return kind
}

// Pass takes the next bytes of the answer, cut anywhere, and returns what the client is to
// see now. The result is good until the next call.
// REQUIRES: Answer returned a Head, and Finish was not called.
func (c *Call) Pass(piece []byte) []byte {
	f := &c.forward
	if len(piece) > 0 && f.head.Streamed && f.firstToken.IsZero() {
		f.firstToken = time.Now()
	}
	f.come += int64(len(piece))
	switch {
	case f.rejects != nil:
		piece = c.withhold(piece)
	case f.other != nil:
		piece = c.recognize(piece)
	}
	seen := f.answer.Pass(piece)
	c.showPiece(seen)
	return seen
}

// maxFirst is how much of an answer is held back while its form is unknown: a byte order mark, blanks,
// and some letters of a field.
const maxFirst = 1 << 10

// recognize takes the first bytes of the answer, and returns those that can be read: some
// providers send a stream of events as another type of content, or an object as one.
func (c *Call) recognize(piece []byte) []byte {
	f := &c.forward
	first := piece
	if len(f.first) > 0 {
		first = slices.Concat(f.first, piece)
	}
	form := protocol.FormOf(first)
	switch {
	case form != protocol.Undecided:
	case len(bytes.TrimSpace(first)) == 0:
		return piece // the client may wait for a sign of life
	case len(first) <= maxFirst:
		f.first = slices.Clone(first)
		return nil
	}
	if form == protocol.Events && !f.head.Streamed {
		f.answer = f.other()
		f.head.Streamed = true
		if !f.shown {
			f.head.Header.Set("Content-Type", "text/event-stream")
		}
		f.firstToken = time.Now()
	} else if form == protocol.Object && f.head.Streamed {
		f.answer = f.other()
		f.head.Streamed, f.firstToken = false, time.Time{}
	}
	f.unreadable = form == protocol.Neither
	f.other, f.first = nil, nil
	return first
}

// Unshown says that the door has held back all of the answer that has come so far.
// REQUIRES: Answer returned a Head that is not Streamed, and Finish was not called.
func (c *Call) Unshown() {
	c.forward.shown = false
	c.recording.forget()
}

// Progress is how far the answer has come. A door decides by it whether to leave the
// provider when the client has gone: not before anything was seen, because the cost would be
// unknown, and not when only the cost is still to come.
// REQUIRES: Answer returned a Head, and Finish was not called.
func (c *Call) Progress() protocol.Progress { return c.forward.answer.Progress() }

// show notes that the client is shown the answer, from its head.
func (c *Call) show() {
	if f := &c.forward; !f.shown {
		f.shown = true
		c.recording.begin(f.status, f.head.Header)
	}
}

func (c *Call) showPiece(piece []byte) {
	if len(piece) > 0 {
		c.forward.last = piece[len(piece)-1]
		c.show()
		c.recording.write(piece)
	}
}

// Finish takes the end of the answer, or why it was cut off, and returns what is left to
// be done for the client.
// REQUIRES: Answer returned a Head, and Finish was not called.
func (c *Call) Finish(cut error) Rest {
	f := &c.forward
	if problem := c.rejectedKey(); problem != nil {
		return Rest{Instead: c.refuseForwarded(problem)}
	}
	piece := c.undecided()
	c.showPiece(piece)
	last := f.answer.End(cut != nil)
	c.showPiece(last)
	piece = append(piece, last...)
	if usage, ok := f.answer.Usage(); ok {
		f.usage = &usage
	} else if doubt := protocol.Doubt(f.answer); doubt != "" && !f.answer.Unfinished() && f.status < 300 {
		c.calls.Log.Warn("a provider's usage is not believed: the call is charged at least its hold",
			"provider", c.route.Provider.Name, "model", c.model.Name, "call", c.id, "why", doubt)
		f.atLeast = protocol.AtLeast(f.answer)
	}
	if f.answer.Unfinished() {
		c.judge(cut)
		return c.finishCut(piece, cut)
	}
	c.show()
	rest := c.withCost(Rest{Piece: piece})
	c.recording.end()
	c.remember()
	c.endForward(nil)
	return rest
}

// undecided is what the client is to see of the bytes that were held back while the form of the
// answer was unknown.
func (c *Call) undecided() []byte {
	f := &c.forward
	first := f.first
	f.other, f.first = nil, nil
	return slices.Clone(f.answer.Pass(first))
}

// judge finds the most that the call can have used, by what was seen of an answer that was
// cut off.
func (c *Call) judge(cut error) {
	f := &c.forward
	if f.encoded || f.unreadable {
		return
	}
	how := protocol.Cut{At: time.Now()}
	if errors.Is(cut, ErrClientGone) || errors.Is(cut, ErrStopped) {
		how.Ahead = ahead
	}
	if seen, ok := f.answer.Seen(how); ok {
		f.seen = &seen
		return
	}
	if opaque, ok := f.answer.(interface{ Opaque() bool }); ok && opaque.Opaque() {
		return
	}
	if !f.head.Streamed && f.come > 0 && f.length > 0 && !c.bounded.Hidden {
		seen := c.bounded.Bound
		seen.Output = min(seen.Output, f.length) // a token is at least one byte of the answer
		f.seen = &seen
	}
}

// withCost tells the client what the call has cost: in the head, if the door has not sent it,
// otherwise behind the body.
func (c *Call) withCost(rest Rest) Rest {
	f := &c.forward
	var end ledgerv1.Entry
	c.charge(&end)
	cost := end.Cost.String()
	c.recording.set(CostHeader, cost)
	if !f.head.Streamed {
		f.head.Header.Set(CostHeader, cost)
	}
	rest.Trailer = protocol.Header{CostHeader: {cost}}
	if f.head.Streamed && c.asked.costComment && !rest.Cut {
		rest.Piece = append(rest.Piece[:len(rest.Piece):len(rest.Piece)], c.costComment(cost)...)
	}
	return rest
}

// costComment is a comment in a stream, which clients ignore. No blank line follows it: some
// clients take one for the end of an event, and there is none.
func (c *Call) costComment(cost string) string {
	line := fmt.Sprintf(": bursar call-id=%s cost-usd=%s\n", c.id, cost)
	if last := c.forward.last; last != '\n' && last != '\r' && last != 0 {
		line = "\n" + line
	}
	return line
}

// finishCut tells the client that the answer was cut off: with a refusal if it has seen
// nothing of the answer; otherwise by an error within the answer, if its protocol has one;
// otherwise by cutting the connection.
func (c *Call) finishCut(piece []byte, cut error) Rest {
	provider := c.route.Provider.Name
	if errors.Is(cut, ErrClientGone) {
		c.calls.Metrics.left(provider)
		c.endForward(nil)
		return Rest{Cut: true}
	}
	c.calls.Metrics.cut(provider)
	c.calls.Log.Warn("a provider's answer was cut off", "provider", provider, "call", c.id, "error", cut)
	problem := answerCut()
	if !c.forward.shown {
		return Rest{Instead: c.refuseForwarded(problem)}
	}
	frame, cutAsWell := c.forward.answer.Problem(problem.body(c.Endpoint.Protocol()))
	c.showPiece(frame)
	rest := Rest{Piece: append(piece[:len(piece):len(piece)], frame...), Cut: frame == nil || cutAsWell}
	rest = c.withCost(rest)
	if !rest.Cut {
		c.recording.end()
	}
	c.endForward(nil)
	return rest
}

// refuseForwarded refuses a call that was forwarded.
func (c *Call) refuseForwarded(problem *Problem) *Response {
	c.endForward(problem)
	return c.refuse(problem)
}
