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
	// OpenCall is what others must know of the call to end or to count it.
	limiterv1.OpenCall
	// IdentityProvider is the one of the token that the call was made with, and Subject the
	// token's claim sub; empty of a call with an API key.
	IdentityProvider string `json:"identityProvider,omitempty"`
	Subject          string `json:"subject,omitempty"`
	// Actor is the user of the credential where the call was made for another, who is User;
	// else empty.
	Actor    string `json:"actor,omitempty"`
	Provider string `json:"provider"`
	// ModelAsked is what the caller asked for, ModelUsed what the provider was asked for.
	ModelAsked string `json:"modelAsked"`
	ModelUsed  string `json:"modelUsed"`
	// Endpoint is the path that was called, such as "/v1/chat/completions".
	Endpoint string `json:"endpoint"`
	Streamed bool   `json:"streamed,omitempty"`
	Session  string `json:"session"`
	// Held is the most that the call could cost.
	Held money.Nanos `json:"held"`
	// PricedAs is whose prices Held and Cost are; empty means Listed.
	PricedAs Pricing `json:"pricedAs,omitempty"`
	// OutputLoweredBy is why the provider was asked for less output than the request says, or the
	// model gives, and MaxOutputTokens is for how much, of each answer; empty and 0 where it was not.
	OutputLoweredBy Lowering `json:"outputLoweredBy,omitempty"`
	MaxOutputTokens int64    `json:"maxOutputTokens,omitempty"`

	// AdmittedAt is by the clock of the limiter's store, and SettledAt follows
	// from it: together they decide nothing, but AdmittedAt says in which periods
	// the cost was counted.
	AdmittedAt time.Time `json:"admittedAt,omitzero"`
	SettledAt  time.Time `json:"settledAt,omitzero"`
	Outcome    Outcome   `json:"outcome,omitempty"`
	// Decision is empty, which means Admitted, of a call that was ended by who adopted it.
	Decision Decision `json:"decision,omitempty"`
	// Usage is zero unless the outcome is Settled, or ChargedSeen: then it is the most that
	// the call can have used.
	Usage price.Usage `json:"usage,omitzero"`
	Cost  money.Nanos `json:"cost,omitempty"`
	// Saved is what the same Usage would have cost more with the model that was asked for; 0 where
	// that one was called, or its price is not known.
	Saved money.Nanos `json:"saved,omitempty"`
	// Duration is from the call's arrival to the end of its answer.
	Duration time.Duration `json:"durationNanoseconds,omitempty"`
	// TimeToFirstToken is from the call's arrival to the first bytes of a streamed
	// answer; nil when there were none.
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

// Decode reads what Encode has written, in this version or one before.
func Decode(encoded []byte) (Entry, error) {
	var e Entry
	if err := json.Unmarshal(encoded, &e); err != nil {
		return Entry{}, fmt.Errorf("decode ledger entry: %w", err)
	}
	return e, nil
}
