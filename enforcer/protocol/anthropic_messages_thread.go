package protocol

import (
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// threadMember is the member by which a request begins a thread, or goes on with one: Anthropic
// then keeps what was said, the system prompt and the tools, and is sent what is new alone. All
// of it is billed as input, as if it had been sent.
const threadMember = "thread"

// readThread reads which thread the request belongs to. It comes after the tools: those that
// the provider runs are kept with the thread, and no later request would say how often they may
// be used.
func (r *messagesRequest) readThread(thread *member) *RequestError {
	if !thread.given() {
		return nil
	}
	kind, err := typeOf(thread.value)
	if err != nil {
		return err.within(threadMember)
	}
	if len(r.run) > 0 || r.searches {
		r.unpriced = append(r.unpriced, Unpriced{
			Field: threadMember, RequestError: *unsupported(threadMember, "later requests would run the provider's tools without a bound"),
		})
	}
	if kind != "create" {
		r.continues = true
		r.input.only("earlier messages")
	}
	return nil
}

// writesFor is the dearest kind that input may be. What earlier requests of a thread had marked
// to be written to the cache may be written again, for the longest that the model has a price for.
func (r *messagesRequest) writesFor(model limiterv1.Model) price.Kind {
	switch {
	case !r.continues:
		return r.writes
	case r.writes == price.CacheWrite1h || model.Prices.Offers(price.CacheWrite1h):
		return price.CacheWrite1h
	}
	return price.CacheWrite5m
}

// threadRefusal is what Anthropic says beside an error of a request that it cannot keep in a
// thread. Its clients' tool runners then go on without one.
type threadRefusal struct {
	ErrorCode   string   `json:"error_code"`
	Unsupported []string `json:"unsupported"`
}

// threadRefusalOf is what an error says of the thread; nil where it says nothing of one.
func threadRefusalOf(err Error) *threadRefusal {
	if err.Param != threadMember || err.Code != "unsupported_parameter" {
		return nil
	}
	return &threadRefusal{ErrorCode: "thread_unsupported_request", Unsupported: []string{err.Message}}
}
