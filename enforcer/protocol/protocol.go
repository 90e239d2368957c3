package protocol

import (
	"strconv"
	"strings"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Protocol is an API of model providers: all that is its own, and no other's. The rest
// of the enforcer knows protocols by this interface alone.
//
// A Protocol is a value without state; its methods may be called at the same time.
type Protocol interface {
	// Name is the name in spec.protocol of a ModelProvider.
	Name() limiterv1.Protocol
	// Endpoints are the paths at which calls are made. No two protocols have the same.
	Endpoints() []Endpoint
	// Prefixes begin the paths at which the protocol's clients ask. Where no endpoint
	// is at a path, the longest prefix of any protocol that begins it decides in whose
	// shape the error is written.
	Prefixes() []string
	// Fields are the header fields that mean something special in the protocol.
	Fields() Fields
	// KeyParameter is the parameter of a request's query in which clients may send
	// their key; empty where there is none.
	KeyParameter() string
	// Authorize writes the provider's key into the header of a call, unless the key is
	// empty, and whatever else no call may go without.
	Authorize(header Header, key string)
	// ErrorBody is the body of an error of Bursar's own: a value that encoding/json
	// writes as an object. It has the protocol's shape, with the members of
	// NewProblemDetails beside it where the shape leaves room for them.
	ErrorBody(err Error) any
	// SetRate writes into the header of an answer how a rate limit stands, in the
	// fields that the protocol's clients read: which those are depends on the unit
	// alone. It is called once for each unit.
	SetRate(header Header, rate Rate, now time.Time)
	// TraceName is gen_ai.provider.name in traces, by OpenTelemetry's semantic
	// conventions for generative AI.
	TraceName() string
}

// Fields are names of header fields. All of them apply to every protocol's calls, except
// for Forwarded: providers are often reached through gateways that mix them.
type Fields struct {
	// Key are the fields, beside "Authorization: Bearer", in which clients send their key.
	Key []string
	// Forwarded are the fields of a request that are sent to the protocol's providers,
	// beside those that every provider is sent. None may choose who is billed, or what
	// a call costs.
	Forwarded []string
	// Decisive are the fields of a request that say what it asks for, as the body does. Two
	// requests of which they differ are not the same. They are sent to providers as a
	// BoundedCall has them.
	Decisive []string
	// Withheld are the fields of a provider's answer that clients do not get, because
	// they are about the account that Bursar has there. A name that ends in "-" stands
	// for all fields that it begins.
	Withheld []string
}

// Rate is how the tightest of the rate limits of a unit stands.
type Rate struct {
	// Unit is limiterv1.Requests or limiterv1.Tokens.
	Unit limiterv1.Unit
	// Limit is the most that there ever is at once, Remaining what is left of it.
	Limit, Remaining int64
	// FullIn is how long it takes until all of Limit is there again.
	FullIn time.Duration
}

// rateFields are the fields in which clients read how the rate limit of a unit stands, by
// their canonical names.
type rateFields struct{ limit, remaining, reset string }

// set writes the fields; reset is when all of the limit is there again, as clients of
// the protocol read it. It is on every call's path, so it allocates little.
func (f rateFields) set(header Header, rate Rate, reset string) {
	values := []string{strconv.FormatInt(rate.Limit, 10), strconv.FormatInt(rate.Remaining, 10), reset}
	header[f.limit], header[f.remaining], header[f.reset] = values[0:1:1], values[1:2:2], values[2:3:3]
}

// ReadsComments is whether all clients of the protocol ignore comments in a stream, as they should.
func ReadsComments(p Protocol) bool {
	_, some := p.(interface{ someReadNoComments() })
	return !some
}

// ModelLister is a Protocol whose clients can ask which models there are.
type ModelLister interface {
	Protocol
	// ModelsPaths are where they ask, with GET.
	ModelsPaths() []string
	// ModelsField is the field of the header by which they are known from the clients of
	// another protocol that ask at the same path; empty where they send none.
	ModelsField() string
	// ListsAll is whether they get the models of all protocols, rather than only those of their
	// own.
	ListsAll() bool
	// ModelList is the body of the answer at one of the paths: a value that encoding/json
	// writes as an object.
	ModelList(path string, models []ListedModel) any
}

// ModelDescriber is a ModelLister whose clients can ask about one model: below the path of
// the list, after a slash, by its name.
type ModelDescriber interface {
	ModelLister
	// ModelDetail is the body of the answer: a value that encoding/json writes as an object.
	ModelDetail(model ListedModel) any
}

// ListedModel is a model that a caller may ask for.
type ListedModel struct {
	Name string
	// Owner is the name of its ModelProvider, or the tenant that has defined it.
	Owner string
	// Protocols are those in which it is served.
	Protocols []limiterv1.Protocol
	// ContextWindow and MaxOutputTokens are those of its ModelProvider, in tokens; 0 where they
	// are not known.
	ContextWindow, MaxOutputTokens int64
}

// ModelPattern is the pattern of the paths at which clients that list models at modelsPath ask
// about one of them.
func ModelPattern(modelsPath string) string { return modelsPath + "/" + wildcard }

// Protocols are all protocols. To add one, write it in a file of its own and name it here.
func Protocols() []Protocol {
	return []Protocol{OpenAI{}, AzureOpenAI{}, Anthropic{}, Gemini{}, VercelAIGateway{}}
}

// AtPath is the protocol, of those given, whose clients ask at the path; the first where
// none does. REQUIRES: protocols is not empty.
func AtPath(protocols []Protocol, path string) Protocol {
	found, longest := protocols[0], 0
	for _, p := range protocols {
		for _, prefix := range p.Prefixes() {
			if len(prefix) > longest && strings.HasPrefix(path, prefix) {
				found, longest = p, len(prefix)
			}
		}
	}
	return found
}

// setKey writes a key into a field of its own, unless the key is empty.
func setKey(header Header, name, key string) {
	if key != "" {
		header.Set(name, key)
	}
}

// RoundUp is the least multiple of the unit that is not below d.
func RoundUp(d, unit time.Duration) time.Duration {
	return (d + unit - 1) / unit * unit
}
