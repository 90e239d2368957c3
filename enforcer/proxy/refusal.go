package proxy

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// refusal is an answer that is an error of ours.
type refusal struct {
	// protocol is the one in whose shape the error is told.
	protocol protocol.Protocol
	status   int
	kind     protocol.ErrorKind
	// code names the error; param is the parameter of the request that is wrong, if one is.
	code, param string
	// title says the same for every refusal of the code, message all there is to say.
	title, message string
	// limit is the limit that refused, if one did.
	limit *protocol.Limit
	// retryAfter is when to try again, if that may help; final is that it will not.
	retryAfter time.Duration
	final      bool
	// header has the fields that only this refusal has.
	header http.Header
	// afterwards is whether the call had been admitted.
	afterwards bool
}

// write answers a request with the refusal.
func (r *refusal) write(w http.ResponseWriter) {
	header := w.Header()
	for name, values := range r.header {
		header[name] = values
	}
	header.Set("Content-Type", "application/json")
	if r.retryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64(roundUp(r.retryAfter, time.Second)/time.Second), 10))
	}
	if r.final {
		header.Set("X-Should-Retry", "false")
	}
	w.WriteHeader(r.status)
	_, _ = w.Write(r.text()) // the client may have gone
}

// text is the body as a line of its own.
func (r *refusal) text() []byte { return append(r.body(), '\n') }

// body is the body of the refusal, in one line of JSON.
func (r *refusal) body() []byte {
	return protocol.EncodeError(r.protocol, protocol.Error{
		Status: r.status, Kind: r.kind, Code: r.code, Param: r.param, Title: r.title, Message: r.message, Limit: r.limit,
	})
}

func unknownPath(r *http.Request) *refusal {
	return &refusal{
		status: http.StatusNotFound, kind: protocol.InvalidRequest, code: "unknown_url",
		title: "Unknown URL", message: fmt.Sprintf("There is nothing at %s.", r.URL.Path),
	}
}

func wrongMethod(r *http.Request, want string) *refusal {
	return &refusal{
		status: http.StatusMethodNotAllowed, kind: protocol.InvalidRequest, code: "method_not_allowed",
		title: "Method not allowed", message: fmt.Sprintf("%s takes %s, not %s.", r.URL.Path, want, r.Method),
		header: http.Header{"Allow": {want}},
	}
}

func badCredential(err error) *refusal {
	return &refusal{
		status: http.StatusUnauthorized, kind: protocol.InvalidRequest, code: "invalid_api_key",
		title: "Invalid API key", message: sentence(err),
		header: http.Header{"Www-Authenticate": {"Bearer"}},
	}
}

func sentence(err error) string {
	s := err.Error()
	return strings.ToUpper(s[:1]) + s[1:] + "."
}

func noBudget(subject admission.Subject) *refusal {
	return &refusal{
		status: http.StatusForbidden, kind: protocol.PermissionDenied, code: "no_budget",
		title: "No budget", message: fmt.Sprintf("Tenant %s has no budget.", subject.Tenant),
	}
}

func notConfigured() *refusal {
	r := storeLost()
	r.message = "The limiter has no configuration yet."
	return r
}

func storeLost() *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, kind: protocol.ServerError, code: "limiter_unavailable",
		title: "Limiter unavailable", message: "The limiter cannot decide just now, so the call was not made.",
		retryAfter: time.Second,
	}
}

// unreadable is the refusal of a request whose body could not be read.
func unreadable(err error) *refusal {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &refusal{
			status: http.StatusRequestEntityTooLarge, kind: protocol.InvalidRequest, code: "request_too_large",
			title: "Request too large", message: fmt.Sprintf("The request body is larger than %d bytes.", tooLarge.Limit),
		}
	}
	return &refusal{
		status: http.StatusBadRequest, kind: protocol.InvalidRequest, code: "invalid_request",
		title: "Invalid request", message: "The request body did not arrive whole.",
	}
}

func badRequest(err error) *refusal {
	r := &refusal{
		status: http.StatusBadRequest, kind: protocol.InvalidRequest, code: "invalid_request",
		title: "Invalid request", message: err.Error(),
	}
	var wrong *protocol.RequestError
	if errors.As(err, &wrong) {
		r.param = wrong.Param
		if wrong.Unsupported {
			r.code, r.title = "unsupported_parameter", "Unsupported parameter"
		}
	}
	return r
}

func unknownModel(name string) *refusal {
	return &refusal{
		status: http.StatusNotFound, kind: protocol.InvalidRequest, code: "model_not_found", param: "model",
		title: "Model not found", message: fmt.Sprintf("There is no model %q here; /v1/models lists those there are.", name),
	}
}

// notAdmitted is the refusal of a call by a limit.
func notAdmitted(subject admission.Subject, r *admission.Refusal) *refusal {
	switch r.Reason {
	case admission.BreakerForced:
		return &refusal{
			status: http.StatusTooManyRequests, kind: protocol.InsufficientQuota, code: "breaker_open",
			title: "Breaker open", message: fmt.Sprintf("The breaker of tenant %s is forced open.", r.Tenant),
			final: true,
		}
	case admission.RateLimited:
		if r.Unit == limiterv1.InFlight {
			return inFlight(r)
		}
		return &refusal{
			status: http.StatusTooManyRequests, kind: protocol.RateLimited, code: "rate_limit_exceeded",
			title: "Rate limit exceeded",
			message: fmt.Sprintf("The rate limit %q of %s per %s has too little left; there is enough in %s.",
				r.Limit, r.Unit, scope(r.Per), roundUp(r.RetryAfter, time.Millisecond)),
			limit: &protocol.Limit{Limit: r.Limit, Per: string(r.Per)}, retryAfter: r.RetryAfter,
		}
	case admission.TooLarge:
		return &refusal{
			status: http.StatusTooManyRequests, kind: protocol.RateLimited, code: "request_too_large",
			title: "Request too large",
			message: fmt.Sprintf("The call may use %d tokens, which the rate limit %q per %s never has at once.",
				r.Tokens, r.Limit, scope(r.Per)),
			limit: &protocol.Limit{Limit: r.Limit, Per: string(r.Per)}, final: true,
		}
	}
	return outOfMoney(subject, r)
}

// inFlight is the refusal of a call while as many are in flight as may be. Nobody
// knows when one of them ends; most do soon.
func inFlight(r *admission.Refusal) *refusal {
	return &refusal{
		status: http.StatusTooManyRequests, kind: protocol.RateLimited, code: "rate_limit_exceeded",
		title:   "Rate limit exceeded",
		message: fmt.Sprintf("As many calls are in flight as the rate limit %q per %s allows; one of them must end first.", r.Limit, scope(r.Per)),
		limit:   &protocol.Limit{Limit: r.Limit, Per: string(r.Per)}, retryAfter: time.Second,
	}
}

// outOfMoney is the refusal of a call by a money limit. To try again does not help
// before the period turns, which clients would not wait for.
func outOfMoney(subject admission.Subject, r *admission.Refusal) *refusal {
	resetsAt := r.ResetsAt.UTC()
	out := &refusal{
		status: http.StatusTooManyRequests, kind: protocol.InsufficientQuota, final: true,
		limit: &protocol.Limit{
			Limit: r.Limit, Per: string(r.Per), Period: string(r.Period), ResetsAt: &resetsAt,
			Amount: r.Amount.String(), Spent: r.Spent.String(), Held: r.Held.String(),
		},
	}
	whose := "tenant " + r.Tenant
	if r.Per == limiterv1.PerUser {
		whose = "user " + subject.User
	}
	budget := fmt.Sprintf("the budget %q of %s: $%s spent and $%s held of $%s per %s",
		r.Limit, whose, r.Spent, r.Held, r.Amount, strings.ToLower(string(r.Period)))
	resets := "A new period begins at " + resetsAt.Format(time.RFC3339) + "."
	if r.Reason == admission.BreakerOpen {
		out.code, out.title = "breaker_open", "Breaker open"
		out.message = fmt.Sprintf("The breaker is open on %s. %s", budget, resets)
		return out
	}
	out.code, out.title = "budget_exhausted", "Budget exhausted"
	out.message = fmt.Sprintf("The call may cost $%s, which is more than is left of %s. %s", r.Bound, budget, resets)
	return out
}

func scope(s limiterv1.Scope) string { return strings.ToLower(string(s)) }

// noAnswer is the refusal of a call whose provider could not be reached, or was
// and did not answer. What may have been paid for is not to be tried again.
func noAnswer(sent bool) *refusal {
	if sent {
		return &refusal{
			status: http.StatusBadGateway, kind: protocol.ServerError, code: "provider_failed",
			title: "Provider failed", message: "The provider took the call and gave no answer.",
			final: true, afterwards: true,
		}
	}
	return &refusal{
		status: http.StatusBadGateway, kind: protocol.ServerError, code: "provider_unreachable",
		title: "Provider unreachable", message: "The provider could not be reached.",
		afterwards: true,
	}
}

// unusableAnswer is the refusal of a call whose provider answered with what is
// none of the client's business.
func unusableAnswer(status int) *refusal {
	return &refusal{
		status: http.StatusBadGateway, kind: protocol.ServerError, code: "provider_refused",
		title: "Provider refused", message: fmt.Sprintf("The provider refused Bursar with status %d.", status),
		final: true, afterwards: true,
	}
}

// answerCut is the refusal of a call whose answer was cut off.
func answerCut() *refusal {
	return &refusal{
		status: http.StatusBadGateway, kind: protocol.ServerError, code: "provider_cut",
		title: "Answer cut off", message: "The provider's answer was cut off before its end.",
		final: true, afterwards: true,
	}
}

func badIdempotencyKey() *refusal {
	return &refusal{
		status: http.StatusBadRequest, kind: protocol.InvalidRequest, code: "idempotency_key_invalid",
		title:   "Invalid Idempotency-Key",
		message: fmt.Sprintf("Idempotency-Key must be one field of 1 to %d visible ASCII characters.", maxIdempotencyKey),
	}
}

// idempotencyKeyReused is the refusal of a request whose name another request has.
func idempotencyKeyReused(call string) *refusal {
	return named(call, &refusal{
		status: http.StatusUnprocessableEntity, kind: protocol.InvalidRequest, code: "idempotency_key_reused",
		title:   "Idempotency-Key reused",
		message: "The Idempotency-Key was sent before with another request: send the same request, or another key.",
	})
}

// underWay is the refusal of a request that was sent before and has no answer yet.
func underWay(call string) *refusal {
	return named(call, &refusal{
		status: http.StatusConflict, kind: protocol.InvalidRequest, code: "idempotency_key_in_use",
		title:      "Call under way",
		message:    "The call with this Idempotency-Key is under way; ask for its answer when it has ended.",
		retryAfter: time.Second,
	})
}

// answerGone is the refusal of a request that was sent before, and answered.
func answerGone(call string) *refusal {
	return named(call, &refusal{
		status: http.StatusConflict, kind: protocol.InvalidRequest, code: "idempotency_answer_gone",
		title: "Answer gone",
		message: fmt.Sprintf("The call with this Idempotency-Key was made and paid for, as %s, and its answer is not kept here. "+
			"To pay for another, send another key.", call),
		final: true,
	})
}

// callInterrupted is the refusal of a request that was sent before and whose
// enforcer has died.
func callInterrupted(call string) *refusal {
	return named(call, &refusal{
		status: http.StatusConflict, kind: protocol.InvalidRequest, code: "idempotency_call_interrupted",
		title: "Call interrupted",
		message: fmt.Sprintf("The call with this Idempotency-Key, %s, was interrupted. It may have been made, and is charged what was held for it. "+
			"To pay for another, send another key.", call),
		final: true,
	})
}

// named is a refusal that is about another call.
func named(call string, r *refusal) *refusal {
	r.header = http.Header{CallIDHeader: {call}}
	return r
}
