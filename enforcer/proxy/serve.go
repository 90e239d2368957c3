package proxy

import (
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// serveCalls serves the calls of an endpoint.
func (p *Proxy) serveCalls(endpoint protocol.Endpoint) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		room := &room{bodies: p.bodies}
		defer room.leave()
		var c *call.Call
		c = p.Calls.Begin(call.Request{
			Endpoint: endpoint, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Header: r.Header,
			Body: func() ([]byte, error) { return p.readBody(w, r, c, room) },
		})
		defer c.End() // also when something panics; and before the memory of the body is another's
		forward, response := c.Admit(r.Context())
		if response == nil {
			response = p.forward(c, forward, w, r, room)
		} else {
			p.noteRefused(response, room)
		}
		switch {
		case response == nil:
		case room.whole:
			p.give(w, response)
		default:
			p.respond(w, response)
		}
	}
}

// noteRefused counts a request that was read in vain, and by its caller's doing.
func (p *Proxy) noteRefused(response *call.Response, room *room) {
	if read := room.bytes.Load(); read > 0 && response.Problem != nil && response.Status/100 == 4 {
		p.failures.note(room.of, read)
	}
}

// hurryRest bounds how long the server waits for what its client still sends of a body that
// is not read, before it answers, and after that.
func (p *Proxy) hurryRest(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(p.timeouts.rest)) // fails when the client has gone
}

// respond gives a client a whole answer, to a request that may not have been read to its end.
func (p *Proxy) respond(w http.ResponseWriter, response *call.Response) {
	p.hurryRest(w)
	p.give(w, response)
}

// give gives a client a whole answer, for which it has as long as for a piece of one. The server
// sends what is left of it in its buffer, and then sets no more bound.
func (p *Proxy) give(w http.ResponseWriter, response *call.Response) {
	maps.Copy(w.Header(), response.Header)
	if http.NewResponseController(w).SetWriteDeadline(time.Now().Add(p.timeouts.write)) != nil {
		return // the client has gone
	}
	w.WriteHeader(response.Status)
	_, _ = w.Write(response.Body) // the client may have gone
}

// refuse refuses a request that is no call.
func (p *Proxy) refuse(w http.ResponseWriter, problem *call.Problem, spoken protocol.Protocol) {
	p.respond(w, p.Calls.Refuse(problem, spoken))
}

func unknownPath(r *http.Request) *call.Problem {
	return &call.Problem{Error: protocol.Error{
		Status: http.StatusNotFound, Kind: protocol.InvalidRequest, Code: "unknown_url",
		Title: "Unknown URL", Message: fmt.Sprintf("Bursar serves no endpoint at %s: check the client's base URL, or call another endpoint.", r.URL.Path),
	}}
}

func wrongMethod(r *http.Request, want string) *call.Problem {
	return &call.Problem{
		Error: protocol.Error{
			Status: http.StatusMethodNotAllowed, Kind: protocol.InvalidRequest, Code: "method_not_allowed",
			Title: "Method not allowed", Message: fmt.Sprintf("%s supports %s, not %s.", r.URL.Path, want, r.Method),
		},
		Header: protocol.Header{"Allow": {want}},
	}
}
