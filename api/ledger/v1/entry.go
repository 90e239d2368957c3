package ledgerv1

import (
	"encoding/json"
	"fmt"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
)

// Entry is a call as the ledger keeps it. Its JSON is also what the limiter's
// store keeps of the call until the ledger has it; while the call is open, what
// only its end can tell is absent there.
type Entry struct {
	// OpenCall is what others must know to end or to count the call.
	limiterv1.OpenCall
	// IdentityProvider is the one of the token that the call was made with, and Subject the token's
	// claim sub; both are empty for a call with an API key.
	IdentityProvider string `json:"identityProvider,omitempty"`
	Subject          string `json:"subject,omitempty"`
	// Actor is the user of the credential, if it made the call for another user, who is User;
	// otherwise empty.
	Actor    string `json:"actor,omitempty"`
	Provider string `json:"provider"`
	// ModelAsked is the model that the caller asked for, and ModelUsed the model that the provider
	// was asked for.
	ModelAsked string `json:"modelAsked"`
	ModelUsed  string `json:"modelUsed"`
	// Endpoint is the path that was called, such as "/v1/chat/completions".
	Endpoint string `json:"endpoint"`
	Streamed bool   `json:"streamed,omitempty"`
	Session  string `json:"session"`
	// Held is the most that the call could cost.
	Held money.Nanos `json:"held"`
	// PricedAs says at whose prices Held and Cost are; empty means Listed.
	PricedAs Pricing `json:"pricedAs,omitempty"`
	// OutputLoweredBy is why the provider was asked for less output than the request, or the model,
	// would have, and MaxOutputTokens how much output of each answer it was asked for; empty and 0 if
	// it was not asked for less.
	OutputLoweredBy Lowering `json:"outputLoweredBy,omitempty"`
	MaxOutputTokens int64    `json:"maxOutputTokens,omitempty"`

	// AdmittedAt is by the clock of the limiter's store, and SettledAt is computed from it.
	// Only AdmittedAt decides anything: in which periods the cost is counted.
	AdmittedAt time.Time `json:"admittedAt,omitzero"`
	SettledAt  time.Time `json:"settledAt,omitzero"`
	Outcome    Outcome   `json:"outcome,omitempty"`
	// Decision is empty, which means Admitted, if the session that adopted the call ended it.
	Decision Decision `json:"decision,omitempty"`
	// Usage is zero unless the outcome is Settled or ChargedSeen. For ChargedSeen, it is the most
	// that the call can have used.
	Usage price.Usage `json:"usage,omitzero"`
	Cost  money.Nanos `json:"cost,omitempty"`
	// Saved is how much more the same Usage would have cost with the model that was asked for; 0 if
	// that was called, or if its price is unknown.
	Saved money.Nanos `json:"saved,omitempty"`
	// Duration is from the call's arrival to the end of its answer.
	Duration time.Duration `json:"durationNanoseconds,omitempty"`
	// TimeToFirstToken is from the call's arrival to the first bytes of a streamed answer; nil if
	// there were none.
	TimeToFirstToken *time.Duration `json:"timeToFirstTokenNanoseconds,omitempty"`
}

// maxOutput is MaxOutputTokens, if the output was lowered.
func (e Entry) maxOutput() *int64 {
	if e.OutputLoweredBy == "" {
		return nil
	}
	return &e.MaxOutputTokens
}

// Overrun is how much the call cost beyond its hold: zero, unless the provider
// reported more than its bounds allow.
func (e Entry) Overrun() money.Nanos { return max(0, e.Cost-e.Held) }

// Decode reads what Encode has written, in this or an earlier version.
func Decode(encoded []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(encoded, &e); err != nil {
		return Entry{}, fmt.Errorf("decode ledger entry: %w", err)
	}
	return e, nil
}
