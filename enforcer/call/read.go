package call

import (
	"context"
	"fmt"

	"github.com/bursar-dev/bursar/enforcer/digest"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// BodyTooLarge is the error of a door that reads no body of more than so many bytes.
type BodyTooLarge struct{ Limit int64 }

// Error is a sentence for the caller.
func (e *BodyTooLarge) Error() string {
	return fmt.Sprintf("The request body is larger than %d bytes.", e.Limit)
}

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
	if c.request, err = c.Endpoint.Read(protocol.Incoming{Model: model, Query: c.query, Body: body}); err != nil {
		return badRequest(err)
	}
	if _, ok := cacheOf(c.tenant); ok {
		c.recording = &recording{}
	}
	if c.recording != nil || len(c.Header.Values(IdempotencyKeyHeader)) > 0 {
		c.same = digest.Of([]byte(c.subject.Tenant), []byte(c.Path), []byte(c.Query), body)
	}
	return nil
}
