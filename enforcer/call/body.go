package call

import (
	"fmt"
	"time"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// unread is the error of a door that has not read a body. It has what to tell the caller.
type unread interface {
	error
	problem() *Problem
}

// BodyTooLarge is the error of a door that reads no body of more than Limit bytes.
type BodyTooLarge struct{ Limit int64 }

// Error is a sentence for the caller.
func (e *BodyTooLarge) Error() string {
	return fmt.Sprintf("The request body is larger than %d bytes.", e.Limit)
}

func (e *BodyTooLarge) problem() *Problem {
	return refuseWith(protocol.StatusRequestEntityTooLarge, protocol.InvalidRequest,
		"request_too_large", "Request too large", e.Error())
}

// BodyTooSlow is the error of a door that has stopped waiting for a body, which must be
// complete after Within, with no pause longer than Pause.
type BodyTooSlow struct{ Within, Pause time.Duration }

// Error is a sentence for the caller.
func (e *BodyTooSlow) Error() string {
	return fmt.Sprintf("The request body did not arrive in time: send it within %s, with no pause longer than %s.", e.Within, e.Pause)
}

func (e *BodyTooSlow) problem() *Problem {
	return refuseWith(protocol.StatusRequestTimeout, protocol.InvalidRequest, "request_timeout", "Request timeout", e.Error())
}

// NoRoom is the error of a door that has no memory for a body. Own is whether the caller's
// own requests take it.
type NoRoom struct{ Own bool }

// Error is a sentence for the caller.
func (e *NoRoom) Error() string {
	if e.Own {
		return "Requests in progress with this API key, or of its tenant, already take all the memory that they may use: send fewer at once, or smaller ones."
	}
	return "Bursar has no memory left for a request of this size at the moment. Try again later."
}

func (e *NoRoom) problem() *Problem {
	if e.Own {
		return refuseWith(protocol.StatusTooManyRequests, protocol.RateLimited,
			"too_many_request_bytes", "Too many request bytes", e.Error()).after(time.Second)
	}
	return refuseWith(protocol.StatusServiceUnavailable, protocol.ServerError, "overloaded", "Overloaded", e.Error()).after(time.Second)
}

// TooManyFailures is the error of a door that reads no body of a caller whose requests were
// refused too often. Wait is when it reads one again.
type TooManyFailures struct{ Wait time.Duration }

// Error is a sentence for the caller.
func (e *TooManyFailures) Error() string {
	return fmt.Sprintf("Too many requests with this API key were refused: correct them, and try again in %s.", protocol.RoundUp(e.Wait, time.Millisecond))
}

func (e *TooManyFailures) problem() *Problem {
	return refuseWith(protocol.StatusTooManyRequests, protocol.RateLimited,
		"too_many_failed_requests", "Too many failed requests", e.Error()).after(e.Wait)
}

// asked is what is remembered of a request until its call ends. It keeps no part of the body
// in memory.
type asked struct {
	model    string
	streamed bool
	// refers is as in protocol.Refers.
	refers bool
	// costComment is whether a stream is to end with a comment that says what it cost.
	costComment bool
}

// letGo lets go of the body, which takes more memory than all else: while the answer passes
// by, and while the call waits to be settled, nobody needs it.
func (c *Call) letGo() {
	c.Body, c.request = nil, nil
	c.bounded.Body, c.bounded.Whole, c.bounded.Stream = nil, nil, nil
}
