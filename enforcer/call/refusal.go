package call

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bursar-dev/bursar/api/identity/identify"
	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/nearest"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// The codes of refusals for money, in the place of which a fallback may answer.
const (
	codeBudgetExhausted = "budget_exhausted"
	codeBreakerOpen     = "breaker_open"
)

// Problem is why a request gets an error of Bursar's own.
type Problem struct {
	protocol.Error
	// RetryAfter is when to try again, if that may help; Final is that it will not.
	RetryAfter time.Duration
	Final      bool
	// Header has the fields that only this refusal has.
	Header protocol.Header
	// afterwards is whether the call had been admitted.
	afterwards bool
	// encoded is the body, with the end of its line, where that was built already for the
	// protocol of the caller.
	encoded []byte
}

// refuseWith is a Problem that has only an error.
func refuseWith(status int, kind protocol.ErrorKind, code, title, message string) *Problem {
	return &Problem{Error: protocol.Error{Status: status, Kind: kind, Code: code, Title: title, Message: message}}
}

// by names the limit that has refused.
func (r *Problem) by(limit protocol.LimitMembers) *Problem {
	r.Limit = &limit
	return r
}

// after says when to try again.
func (r *Problem) after(wait time.Duration) *Problem {
	r.RetryAfter = wait
	return r
}

// finally says that trying again does not help.
func (r *Problem) finally() *Problem {
	r.Final = true
	return r
}

// response is the answer with the refusal, in the shape of a protocol, whose fields are
// added to a header.
func (r *Problem) response(header protocol.Header, p protocol.Protocol) *Response {
	for name, values := range r.Header {
		header[name] = values
	}
	header.Set("Content-Type", "application/json")
	if r.RetryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64(protocol.RoundUp(r.RetryAfter, time.Second)/time.Second), 10))
	}
	if r.Final {
		header.Set("X-Should-Retry", "false")
	}
	return &Response{Status: r.Status, Header: header, Body: r.line(p), Problem: r}
}

// line is the body, with the end of its line.
func (r *Problem) line(p protocol.Protocol) []byte {
	if r.encoded != nil {
		return r.encoded
	}
	return append(r.body(p), '\n')
}

// body is the refusal in the shape of a protocol, in one line of JSON.
func (r *Problem) body(p protocol.Protocol) []byte { return protocol.EncodeError(p, r.Error) }

// unidentified is the refusal of a request whose caller could not be identified.
func unidentified(err error) *Problem {
	var why *identify.Error
	switch {
	case !errors.As(err, &why):
		why = identify.ErrUnknown
	case why.Status == identify.Unavailable:
		return unavailable(sentence(why.Message))
	case why.Status == identify.Forbidden:
		return refuseWith(protocol.StatusForbidden, protocol.PermissionDenied, why.Code, why.Title, sentence(why.Message))
	case why.Status == identify.Undecided:
		return refuseWith(protocol.StatusBadRequest, protocol.InvalidRequest, why.Code, why.Title, sentence(why.Message))
	}
	r := refuseWith(protocol.StatusUnauthorized, protocol.InvalidRequest, why.Code, why.Title, sentence(why.Message))
	r.Header = protocol.Header{"Www-Authenticate": {why.Challenge}}
	return r
}

// sentence makes a text a sentence. The text of an identify.Error may be empty.
func sentence(text string) string {
	if text == "" {
		text = "the caller could not be identified"
	}
	return capitalized(text) + "."
}

func capitalized(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:]
}

func noBudget(subject admission.Subject) *Problem {
	return refuseWith(protocol.StatusForbidden, protocol.PermissionDenied, "no_budget", "No budget",
		fmt.Sprintf("Tenant %s has no budget in force, so its calls are refused. Your request did not cause this: whoever manages the TenantBudget can correct it.", subject.Tenant))
}

// unlimitedTier is the refusal of a call of a user whose tier a policy does not limit, though it
// demands that every one is limited.
func unlimitedTier(subject admission.Subject, policy string) *Problem {
	return refuseWith(protocol.StatusForbidden, protocol.PermissionDenied, "tier_not_limited", "Tier not limited",
		fmt.Sprintf("RateLimitPolicy %s refuses %s, because none of its limits selects them. "+
			"Your request did not cause this: whoever manages the budget can correct your tier, or add a limit.", policy, ofTier(subject.Tier))).finally()
}

// ofTier names the users of a tier.
func ofTier(tier string) string {
	if tier == "" {
		return "users without a tier"
	}
	return fmt.Sprintf("users of tier %q", tier)
}

// unavailable is the refusal of a call while Bursar cannot decide on it.
func unavailable(why string) *Problem {
	return refuseWith(protocol.StatusServiceUnavailable, protocol.ServerError,
		"limiter_unavailable", "Limiter unavailable", why).after(time.Second)
}

func notConfigured() *Problem {
	return unavailable("Bursar's configuration is not complete yet, so the call was not made. Try again later.")
}

// absent is the refusal of a call for something that is not configured. While the
// configuration is not complete, it may still come, and the refusal says that instead.
func (calls *Calls) absent(refusal *Problem) *Problem {
	if !calls.Config.Complete() {
		return notConfigured()
	}
	return refusal
}

func storeLost() *Problem {
	return unavailable("The limiter is unavailable, so the call was not made. Try again later.")
}

// unreadable is the refusal of a request whose body could not be read.
func unreadable(err error) *Problem {
	var why unread
	if errors.As(err, &why) {
		return why.problem()
	}
	return invalid("The request body was incomplete: send the request again.")
}

func invalid(message string) *Problem {
	return refuseWith(protocol.StatusBadRequest, protocol.InvalidRequest, "invalid_request", "Invalid request", message)
}

func badRequest(err error) *Problem {
	r := invalid(err.Error())
	var wrong *protocol.RequestError
	if errors.As(err, &wrong) {
		r.Param = wrong.Param
		if wrong.Unsupported {
			r.Code, r.Title = "unsupported_parameter", "Unsupported parameter"
		}
	}
	return r
}

// unknownModel is the refusal of a request for a model that does not exist. The caller is asked whether
// it meant one of the models that it may ask for.
func unknownModel(name string, available []string) *Problem {
	r := refuseWith(protocol.StatusNotFound, protocol.InvalidRequest, "model_not_found", "Model not found",
		fmt.Sprintf("There is no model %q%s GET /v1/models lists the available models.", name, didYouMean(name, available)))
	r.Param = "model"
	return r
}

// didYouMean asks whether the nearest of the models was meant, or goes on with the sentence.
func didYouMean(name string, available []string) string {
	if !limiterv1.IsModelName(name) { // whatever its length
		return ";"
	}
	return cmp.Or(nearest.DidYouMean(name, available), ";")
}

// modelForbidden is the refusal of a request for a model that the credential may not ask for.
func modelForbidden(name string, available []string) *Problem {
	r := refuseWith(protocol.StatusForbidden, protocol.PermissionDenied, "model_forbidden", "Model not allowed",
		fmt.Sprintf("This API key may not be used for model %q%s GET /v1/models lists the models that it may be used for.", name, didYouMean(name, available)))
	r.Param = "model"
	return r
}

// tooManyLimits is the refusal of a call that too many limits count, one for each group of its caller.
func tooManyLimits(groups int) *Problem {
	return refuseWith(protocol.StatusForbidden, protocol.PermissionDenied, "too_many_limits", "Too many limits",
		fmt.Sprintf("The caller is in %d groups, and the tenant has too many limits per Group to check them all for one call: put the caller into fewer groups, or remove limits with per: Group.", groups)).finally()
}

// notAdmitted is the refusal of a call by a limit, with advice: what else there is to say,
// after a blank.
func notAdmitted(r *admission.Refusal, advice string) *Problem {
	switch r.Reason {
	case ledgerv1.BreakerForced:
		return refuseWith(protocol.StatusTooManyRequests, protocol.InsufficientQuota, codeBreakerOpen, "Breaker open",
			fmt.Sprintf("The breaker of the budget of tenant %s is forced open: paid calls are refused until its owner releases it.", r.Tenant)).finally()
	case ledgerv1.RateLimited:
		return tooFast(r)
	case ledgerv1.TooLarge:
		return tooManyTokens(fmt.Sprintf("The call may use %d tokens, more than the rate limit %q per %s allows at once: %d.%s",
			r.Tokens, r.Limit, scope(r), r.Burst, advice)).by(rateLimit(r))
	}
	return outOfMoney(r, advice)
}

// tooManyTokens is the refusal of a call for which a bucket never has room. Its status is
// one after which no client sends the same again: some try again after every 429, whatever
// its header says.
func tooManyTokens(message string) *Problem {
	return refuseWith(protocol.StatusBadRequest, protocol.InvalidRequest, "request_too_large", "Request too large", message).finally()
}

// tooFast is the refusal of a call by a rate limit that will allow it later. Nobody knows
// when a call in flight ends; most end soon.
func tooFast(r *admission.Refusal) *Problem {
	message := fmt.Sprintf("The rate limit %q of %s per %s has too little left for this call; try again in %s.",
		r.Limit, r.Unit, scope(r), protocol.RoundUp(r.RetryAfter, time.Millisecond))
	wait := r.RetryAfter
	if r.Unit == limiterv1.InFlight {
		message = fmt.Sprintf("The rate limit %q per %s allows no more calls in flight; wait until one ends.",
			r.Limit, scope(r))
		wait = time.Second
	}
	return refuseWith(protocol.StatusTooManyRequests, protocol.RateLimited, "rate_limit_exceeded", "Rate limit exceeded", message).
		by(rateLimit(r)).after(wait)
}

func rateLimit(r *admission.Refusal) protocol.LimitMembers {
	return protocol.LimitMembers{Limit: r.Limit, Per: string(r.Per), Group: r.Owner.Group}
}

// outOfMoney is the refusal of a call by a money limit. Trying again does not help
// before the period turns, which clients would not wait for.
func outOfMoney(r *admission.Refusal, advice string) *Problem {
	whose := cmp.Or(r.Owner.String(), "tenant "+r.Tenant)
	resetsAt := r.ResetsAt.UTC()
	limit := fmt.Sprintf("the limit %q of %s", r.Limit, whose)
	amount := fmt.Sprintf("$%s per %s", r.Amount, strings.ToLower(string(r.Period)))
	resets := "The limit resets at " + resetsAt.Format(time.RFC3339) + "."
	code, title, message := codeBudgetExhausted, "Budget exhausted",
		fmt.Sprintf("The call may cost $%s, more than is left of %s: $%s spent, $%s held for calls in flight, $%s left of %s.%s %s",
			r.Bound, limit, r.Spent, r.Held, max(0, r.Left()), amount, advice, resets)
	switch {
	case r.Reason == ledgerv1.BreakerOpen:
		code, title = codeBreakerOpen, "Breaker open"
		message = fmt.Sprintf("%s has tripped: $%s spent and $%s held of %s. Paid calls that count against it are refused until it resets at %s.",
			capitalized(limit), r.Spent, r.Held, amount, resetsAt.Format(time.RFC3339))
	case r.NeverFits():
		message = fmt.Sprintf("The call may cost $%s, more than the whole of %s: %s.%s", r.Bound, limit, amount, advice)
	}
	return refuseWith(protocol.StatusTooManyRequests, protocol.InsufficientQuota, code, title, message).finally().by(protocol.LimitMembers{
		Limit: r.Limit, Per: string(r.Per), Group: r.Owner.Group, Period: string(r.Period), ResetsAt: &resetsAt,
		Amount: r.Amount.String(), Spent: r.Spent.String(), Held: r.Held.String(),
	})
}

// scope is what the limit counts separately: users, keys or groups, say. It names the group,
// because a caller may be in several.
func scope(r *admission.Refusal) string {
	if r.Owner.Group != "" {
		return "group, here " + r.Owner.Group + ","
	}
	return strings.ToLower(string(r.Per))
}

// providerFault is the refusal of a call that was admitted, and whose provider has failed.
func providerFault(code, title, message string) *Problem {
	r := refuseWith(protocol.StatusBadGateway, protocol.ServerError, code, title, message)
	r.afterwards = true
	return r
}

// noAnswer is the refusal of a call whose provider was asked and did not answer. Clients must
// not retry by themselves what may have been paid for.
func noAnswer() *Problem {
	return providerFault("provider_failed", "Provider failed", "The call was sent to the provider, which did not answer. Sending it again makes, and pays for, a new call.").finally()
}

// answerCut is the refusal of a call whose answer was cut off.
func answerCut() *Problem {
	return providerFault("provider_cut", "Answer cut off", "The provider's answer was cut off before its end. Sending it again makes, and pays for, a new call.").finally()
}

func badIdempotencyKey() *Problem {
	return refuseWith(protocol.StatusBadRequest, protocol.InvalidRequest, "idempotency_key_invalid", "Invalid Idempotency-Key",
		fmt.Sprintf("Idempotency-Key must be one header field of 1 to %d visible ASCII characters.", maxIdempotencyKey))
}

// aboutCall is the refusal of a request whose name another call has.
func aboutCall(call string, status int, code, title, message string) *Problem {
	r := refuseWith(status, protocol.InvalidRequest, code, title, message)
	r.Header = protocol.Header{CallIDHeader: {call}}
	return r
}

// idempotencyKeyReused is the refusal of a request whose name another request has.
func idempotencyKeyReused(call string) *Problem {
	return aboutCall(call, protocol.StatusUnprocessableEntity, "idempotency_key_reused", "Idempotency-Key reused",
		"The Idempotency-Key was used before with a different request: send the same request, or another Idempotency-Key.")
}

// underWay is the refusal of a request that was sent before and has no answer yet.
func underWay(call string) *Problem {
	return aboutCall(call, protocol.StatusConflict, "idempotency_key_in_use", "Call in progress",
		"The call with this Idempotency-Key is in progress; try again when it has ended.").after(time.Second)
}

// answerGone is the refusal of a request that was sent before, and answered.
func answerGone(call string) *Problem {
	return aboutCall(call, protocol.StatusConflict, "idempotency_answer_gone", "Answer not stored",
		fmt.Sprintf("The call with this Idempotency-Key was made and paid for (call %s), but its answer is not stored here. "+
			"To make and pay for a new call, send another Idempotency-Key.", call)).finally()
}

// callInterrupted is the refusal of a request that was sent before and whose
// enforcer has died.
func callInterrupted(call string) *Problem {
	return aboutCall(call, protocol.StatusConflict, "idempotency_call_interrupted", "Call interrupted",
		fmt.Sprintf("The call with this Idempotency-Key (call %s) was interrupted. It may have been made, so its full hold is charged. "+
			"To make and pay for a new call, send another Idempotency-Key.", call)).finally()
}
