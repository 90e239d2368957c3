package call

import (
	"net/url"
	"time"

	"go.opentelemetry.io/otel/trace"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/digest"
	"github.com/bursar-dev/bursar/enforcer/idempotency"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// The fields of an answer that are Bursar's own.
const (
	// CallIDHeader names the call, in the ledger and towards the provider, too.
	CallIDHeader = "X-Bursar-Call-Id"
	// ModelHeader names the model that was called, if it is not the one that was asked for.
	ModelHeader = "X-Bursar-Model"
	// MaxOutputHeader says how many output tokens the provider was asked for, where that is
	// less than what the caller asked for or left open, and LoweredByHeader why: OutputCaps
	// or Fit.
	MaxOutputHeader = "X-Bursar-Max-Output-Tokens"
	LoweredByHeader = "X-Bursar-Output-Lowered-By"
	// CostHeader is what the call has cost, in US dollars: in the header where the answer is
	// known before the client sees any of it, else in the trailer.
	CostHeader = "X-Bursar-Cost-Usd"
	// LimitHeader names the money limit of the tenant, or of the user, that had the least left
	// when the call was admitted, and LeftHeader is how much that was, in US dollars.
	LimitHeader = "X-Bursar-Limit"
	LeftHeader  = "X-Bursar-Left-Usd"
	// ShadowHeader says with which error code a call of a tenant in Shadow would have
	// been refused.
	ShadowHeader = "X-Bursar-Would-Refuse"
	// StoreLostHeader says that the call was admitted while the limiter was out of reach,
	// from money that was held for that.
	StoreLostHeader = "X-Bursar-Store-Lost"
	// PricedAsHeader says how the call is priced, if no provider lists its model.
	PricedAsHeader = "X-Bursar-Priced-As"
	// FallbackHeader names the fallback that answered in the place of a call that was
	// refused for money.
	FallbackHeader = "X-Bursar-Fallback"
	// ReplayedHeader says that the answer was given before.
	ReplayedHeader = "Idempotent-Replayed"
)

// IdempotencyKeyHeader is the field of a request in which the caller names the call.
const IdempotencyKeyHeader = "Idempotency-Key"

// CostCommentHeader is the field of a request that, with the value true, asks for the cost of a
// streamed answer in a comment at the end of its body.
const CostCommentHeader = "X-Bursar-Cost-Comment"

// Request is what a door has read of a request.
type Request struct {
	Endpoint protocol.Endpoint
	// Method is what traces name beside the endpoint.
	Method string
	// Path is where the endpoint was found, and Query what follows the "?", as it was
	// sent.
	Path, Query string
	// Header is a view of the header. It is not read any more once the call is admitted.
	Header protocol.HeaderView
	// Body reads the body. It is called once at the most, when it is known who calls. An
	// error of type *BodyTooLarge, *BodyTooSlow, *NoRoom or *TooManyFailures says why it is
	// not read. The result belongs to the call until it has its answer, or has ended.
	Body func() ([]byte, error)
}

// Forward is what is to be sent to a provider.
type Forward struct {
	Protocol protocol.Protocol
	Provider limiterv1.Provider
	// Path is where the provider is to be asked, below its endpoint, with the query.
	Path string
	// Header is all of the header except for the provider's key, which Protocol.Authorize
	// writes into it. Nothing else of the client's request is to be sent.
	Header protocol.Header
	Body   []byte
	// ToItsEnd is whether the answer is to be read to its end though its client has gone:
	// the provider is to say what it cost, or the client may ask for it again.
	ToItsEnd bool
}

// Response is a whole answer that a client gets in the place of a provider's.
type Response struct {
	// Status is one of HTTP's.
	Status int
	// Header has all fields that the client is to see. It is not to be changed.
	Header protocol.Header
	Body   []byte
	// Problem is why the answer is an error of Bursar's own. It is nil where a request
	// was answered: with an answer that was kept, a fallback's message, or again.
	Problem *Problem
}

// Call is a call on its way. Each step adds what it found out. It is used by one goroutine
// at a time.
type Call struct {
	Request
	calls   *Calls
	id      string
	arrived time.Time
	// header are the fields of Bursar's own that the client is to see.
	header protocol.Header

	query   url.Values             // identify or read: parsed
	subject admission.Subject      // identify
	tenant  *admission.Tenant      // identify
	request protocol.ParsedRequest // read; nil again when the body was let go
	asked   asked                  // read
	same    digest.Digest          // read: of the requests that are the same
	// claim is the call's claim to the name that its caller gave it, nil without one.
	claim *idempotency.Claim // claim
	// recording is the answer, where it may be given again; else nil.
	recording *recording // read, claim
	// models are the model that the call goes to, unless the ladder has put another in
	// its place, and the models to try after it.
	models []string      // bound
	route  *config.Route // bound
	// model is the route's, with the prices in force when the call was bounded: it is
	// settled with them, too.
	model   limiterv1.Model      // bound
	bounded protocol.BoundedCall // bound
	// fitted is the output, in tokens, to which the call was lowered because there was no
	// room for more; 0 where it was not.
	fitted int64 // admit
	// downgraded is whether the ladder may have put another model in the place of
	// the one that was asked for.
	downgraded bool // bound
	// decideBy is when the limiter must have decided.
	decideBy time.Time // admit
	// decision is how the call was admitted.
	decision ledgerv1.Decision // admit
	// fallback is whether the call is made in the place of one that money refused.
	fallback bool            // admit
	hold     *admission.Hold // admit
	heldFrom time.Time       // admit: when, by this machine's clock
	forward  forward         // forward
	// answered is what the client gets instead of a provider's answer; nil if there is
	// nothing yet.
	answered *Response
	// ended is whether End was called.
	ended bool
	// span is the call's in its caller's trace; nil without a tracer.
	span trace.Span
}

// forward is what is known of a call that is being forwarded. How the call ends follows
// from it, at whatever point that comes.
type forward struct {
	// sent is whether the provider may have been asked, and begun since when.
	sent  bool
	begun time.Time
	// status is the status of the provider's answer; 0 while there is none.
	status int
	// answer reads the answer, and head is what the client sees before its body.
	answer protocol.Answer
	head   Head
	// other makes a reader for the other form: for a stream if answer reads none, and the other
	// way round; nil once the form is known. first is what has come of an answer whose form is
	// still unknown.
	other func() protocol.Answer
	first []byte
	// rejects reports whether a whole body says that the provider rejects Bursar's key. The client
	// must see nothing of such a body, so first keeps what has come. It is nil where the status
	// says all.
	rejects func(body []byte) bool
	// shown is whether the client may have been given some of the answer, and last the last
	// byte of it.
	shown bool
	last  byte
	// usage is what the provider says that the call used; nil while it does not.
	usage *price.Usage
	// atLeast is what the call has used at least by a usage that is not believed; zero where nobody
	// knows.
	atLeast price.Usage
	// seen is the most that the call can have used by what was seen of an answer that was
	// cut off; nil where nothing was.
	seen *price.Usage
	// encoded is whether the answer is compressed, or the like, though nobody has asked for
	// that: nothing in it can be seen.
	encoded bool
	// unreadable is whether it is known, by its first bytes, that the answer is neither a stream of
	// events nor JSON: compressed without saying so, for example.
	unreadable bool
	// length is how many bytes the answer has, and come how many of them have come; length is
	// 0 where the provider does not say.
	length, come int64
	// firstToken is when the first bytes of a streamed answer came; zero when none did.
	firstToken time.Time
	// span is the step's in the trace; nil without a tracer.
	span trace.Span
}

// ID names the call, in the ledger and to its client.
func (c *Call) ID() string { return c.id }

// Subject is who calls. REQUIRES: the body was asked for.
func (c *Call) Subject() admission.Subject { return c.subject }

// problem is why the client gets an error of Bursar's own; nil where it does not.
func (c *Call) problem() *Problem {
	if c.answered == nil {
		return nil
	}
	return c.answered.Problem
}
