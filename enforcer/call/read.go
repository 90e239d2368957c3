package call

import (
	"context"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/enforcer/digest"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// read reads the request.
func (c *Call) read(context.Context) *Problem {
	body, err := c.Body()
	if err != nil {
		return unreadable(err)
	}
	if c.query == nil {
		c.query = parseQuery(c.Query)
	}
	model, _ := protocol.MatchPath(c.Endpoint.Path(), c.Path)
	if c.request, err = c.Endpoint.Read(protocol.Incoming{Model: model, Query: c.query, Header: c.Header, Body: body}); err != nil {
		return badRequest(err)
	}
	c.asked = asked{model: strings.Clone(c.request.Model()), streamed: c.request.Streamed(), refers: protocol.Refers(c.request)}
	c.asked.costComment = slices.Equal(c.Header.Values(CostCommentHeader), []string{"true"}) && protocol.ReadsComments(c.Endpoint.Protocol())
	if !mayAskFor(c.subject, c.asked.model) {
		return modelForbidden(c.asked.model, c.availableModels())
	}
	if _, ok := cacheOf(c.tenant); ok {
		c.recording = &recording{}
	}
	if c.recording != nil || len(c.Header.Values(IdempotencyKeyHeader)) > 0 {
		c.same = digest.Of(append([][]byte{[]byte(c.subject.Tenant), []byte(c.Path), []byte(c.Query), body}, c.decisive()...)...)
	}
	return nil
}

// decisive are the fields of the header that say what is asked for, with their names, where
// the protocol has such.
func (c *Call) decisive() (fields [][]byte) {
	for _, name := range c.Endpoint.Protocol().Fields().Decisive {
		for _, value := range c.Header.Values(name) {
			fields = append(fields, []byte(name), []byte(value))
		}
	}
	return fields
}
