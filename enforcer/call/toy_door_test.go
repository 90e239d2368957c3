package call_test

import (
	"context"
	"maps"
	"net/textproto"

	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// toyDoor is a door of requests and answers that are values in memory: no connection, and
// none of HTTP. It does not forward: its provider is whatever function it is given, as a
// door's is that lets another send.
type toyDoor struct {
	calls    *call.Calls
	provider func(*call.Forward) toyAnswer
}

// toyRequest is a request for a chat completion, or at another endpoint's path.
type toyRequest struct {
	header   textproto.MIMEHeader
	body     string
	endpoint protocol.Endpoint
	path     string
}

// toyAnswer is a provider's answer in pieces. broken is why it does not come to its end,
// or, without a status, why there is none.
type toyAnswer struct {
	status int
	header textproto.MIMEHeader
	pieces []string
	broken error
}

// toyReply is what a client of a door has got: all of it, unless it is cut.
type toyReply struct {
	status int
	header textproto.MIMEHeader
	body   string
	cut    bool
}

// serve answers a request.
func (d *toyDoor) serve(ctx context.Context, request toyRequest) toyReply {
	if request.endpoint == nil {
		request.endpoint, request.path = protocol.ChatCompletions{}, "/v1/chat/completions"
	}
	c := d.calls.Begin(call.Request{
		Endpoint: request.endpoint, Method: "POST", Path: request.path, Header: request.header,
		Body: func() ([]byte, error) { return []byte(request.body), nil },
	})
	defer c.End()
	forward, response := c.Admit(ctx)
	if response != nil {
		return whole(response)
	}
	c.Sending()
	answer := d.provider(forward)
	if answer.status == 0 {
		return whole(c.NoAnswer(true, answer.broken))
	}
	head, response := c.Answer(answer.status, maps.Clone(answer.header))
	if response != nil {
		return whole(response)
	}
	reply := toyReply{status: head.Status, header: head.Header}
	for _, piece := range answer.pieces {
		reply.body += string(c.Pass([]byte(piece)))
	}
	if answer.broken != nil && !head.Streamed {
		c.Unshown()
	}
	rest := c.Finish(answer.broken)
	if rest.Instead != nil {
		return whole(rest.Instead)
	}
	reply.body += string(rest.Piece)
	reply.cut = rest.Cut
	return reply
}

func whole(response *call.Response) toyReply {
	return toyReply{status: response.Status, header: response.Header, body: string(response.Body)}
}
