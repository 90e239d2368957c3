package call

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/trace"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/answercache"
	"github.com/bursar-dev/bursar/enforcer/config"
	"github.com/bursar-dev/bursar/enforcer/idempotency"
	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

const (
	// admitTimeout is how long the limiter's store may take to decide.
	admitTimeout = 2 * time.Second
	// suspendedWait is how long a call waits while the limiter is suspended, or while other
	// programs do not know of this session yet; suspendedPause is how often it asks.
	suspendedWait, suspendedPause = time.Second, 50 * time.Millisecond
)

// Identifier finds out who is calling. An *identify.Error has what to tell a caller that
// cannot be identified; any other error means that the credential is not known.
type Identifier interface {
	Identify(ctx context.Context, request identity.Request) (admission.Subject, error)
}

// Config is the configuration that calls are made by.
type Config interface {
	Tenant(name string) (*admission.Tenant, bool)
	Route(model string) (*config.Route, bool)
	Routes() []*config.Route
	RouteUnlisted(protocol limiterv1.Protocol, model string) (*config.Route, bool)
	// Complete reports whether all of the configuration is known here: what is missing then
	// is not configured.
	Complete() bool
}

// Admitter admits calls.
type Admitter interface {
	Admit(ctx context.Context, tenant *admission.Tenant, call admission.Request) (admission.Result, error)
	AdmitBounded(tenant *admission.Tenant, call admission.Request) (*admission.Hold, bool)
	// Now is the time by which calls of the budget tree with the root are admitted.
	Now(root string) time.Time
}

// Claims say which call has a name, that of an Idempotency-Key.
type Claims interface {
	Take(ctx context.Context, claim idempotency.Claim) (standing idempotency.Claim, taken bool, err error)
	Release(ctx context.Context, claim idempotency.Claim) error
	Keep(ctx context.Context, claim idempotency.Claim) error
	Interrupted(ctx context.Context, claim idempotency.Claim) (bool, error)
}

// EntrySink takes calls that were settled.
type EntrySink interface {
	Add(ledgerv1.Entry)
}

// RefusalSink takes calls that a limit refused.
type RefusalSink interface {
	Add(ledgerv1.Refusal)
}

// Options are what Calls are made with.
type Options struct {
	// Protocols are those that are served; nil means all of protocol.Protocols.
	Protocols  []protocol.Protocol
	Identifier Identifier
	Config     Config
	Admitter   Admitter
	Ledger     EntrySink
	Refusals   RefusalSink
	// Answers keeps answers for the fallback Cache.
	Answers *answercache.Cache
	// Claims say which call has the name in an Idempotency-Key, and Replays keeps the
	// answers of those that have one.
	Claims  Claims
	Replays *answercache.Cache
	// Providers take what is seen of providers; nil if nothing wants to know.
	Providers ProviderReports
	Metrics   *Metrics
	Log       *slog.Logger
	// Tracer makes spans of calls; nil for none.
	Tracer trace.Tracer
	// Session is the session that the holds belong to.
	Session string
	// Begun is closed when others know of that session. No call is taken before that.
	Begun <-chan struct{}
}

// Calls are the calls of a process, through whichever door they come. Its methods may be
// called concurrently.
type Calls struct {
	Options

	// open counts what was admitted and is not settled, and claims that are not ended.
	open sync.WaitGroup
	// givenUp are the ledger entries of the calls that could not be settled and were given up.
	mu      sync.Mutex
	givenUp []ledgerv1.Entry
	// settling ends when calls that could not be settled must be given up.
	settling context.Context
	giveUp   context.CancelFunc

	withheld withheldFields
	refusals refusals
}

// New makes Calls.
func New(options Options) *Calls {
	if options.Protocols == nil {
		options.Protocols = protocol.Protocols()
	}
	if options.Providers == nil {
		options.Providers = noReports{}
	}
	calls := &Calls{Options: options, withheld: newWithheldFields(options.Protocols)}
	calls.settling, calls.giveUp = context.WithCancel(context.Background())
	return calls
}

// Begin begins a call. The caller ends it with End, whatever happens.
func (calls *Calls) Begin(request Request) *Call {
	c := &Call{calls: calls, Request: request, id: newID(), arrived: time.Now(), header: make(protocol.Header, 8)}
	c.header.Set(CallIDHeader, c.id)
	c.startTrace()
	return c
}

// Refuse is the answer to a request that is refused before it is a call, in the shape of
// a protocol.
func (calls *Calls) Refuse(problem *Problem, p protocol.Protocol) *Response {
	calls.Metrics.refused(problem)
	return problem.response(protocol.Header{}, p)
}

// UnsettledError means that calls were given up before they were settled.
type UnsettledError struct{ Calls int }

func (e *UnsettledError) Error() string { return fmt.Sprintf("%d calls were not settled", e.Calls) }

// Drain waits until all calls are settled. When ctx ends before that, it gives up the rest
// and returns an *UnsettledError: the holds of these calls in Redis are left to the adopter
// of the session, and only Unsettled knows what the calls cost.
// REQUIRES: every call that has begun was ended, and none will begin.
func (calls *Calls) Drain(ctx context.Context) error {
	stop := context.AfterFunc(ctx, calls.giveUp)
	defer stop()
	calls.open.Wait()
	if n := len(calls.Unsettled()); n > 0 {
		return &UnsettledError{Calls: n}
	}
	return nil
}

// Unsettled are the ledger entries of the calls that Drain has given up. Their holds stay in
// Redis until the session's adopter, which may know no better, charges them in full. So
// these entries must be sent to the ledger.
func (calls *Calls) Unsettled() []ledgerv1.Entry {
	calls.mu.Lock()
	defer calls.mu.Unlock()
	return slices.Clone(calls.givenUp)
}

func (calls *Calls) giveUpOn(entry ledgerv1.Entry) {
	calls.mu.Lock()
	defer calls.mu.Unlock()
	calls.givenUp = append(calls.givenUp, entry)
}

// newID is an ID for a call, unique for all time. Later IDs are greater, which suits
// indexes.
func newID() string { return uuid.Must(uuid.NewV7()).String() }

// Randomness is read for sixteen IDs at once, and kept in memory: no ID is a secret.
func init() { uuid.EnableRandPool() }
