package price

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/bursar-dev/bursar/api/money"
)

// PerMillion is the price of one million tokens in nano-USD. As providers
// publish prices in dollars per million tokens, every published price with up
// to nine digits after the point is exact.
type PerMillion = money.Nanos

// million is the number of tokens that a price is quoted for.
const million = 1_000_000

// MaxTokens is the largest number of tokens of one kind that a call may report.
// More than that is not usage but an error of the provider.
const MaxTokens = 1_000_000_000

// List is what a model's tokens cost.
type List struct {
	// Input is the price of input tokens.
	Input PerMillion `json:"input"`
	// CachedInput is the price of input tokens that the provider read from its cache.
	CachedInput PerMillion `json:"cachedInput"`
	// Output is the price of output tokens, reasoning included.
	Output PerMillion `json:"output"`
}

// Usage is how many tokens of each kind a call used. The kinds are disjoint:
// Input does not contain CachedInput.
type Usage struct {
	Input       int64 `json:"input"`
	CachedInput int64 `json:"cachedInput"`
	Output      int64 `json:"output"`
}

// Total is the number of tokens of all kinds.
func (u Usage) Total() int64 { return u.Input + u.CachedInput + u.Output }

// ErrUsage is the reason for which Cost refuses a usage that cannot be true.
var ErrUsage = errors.New("usage out of range")

// Validate reports whether every count is between 0 and MaxTokens.
func (u Usage) Validate() error {
	for _, n := range []int64{u.Input, u.CachedInput, u.Output} {
		if n < 0 || n > MaxTokens {
			return fmt.Errorf("%w: %d tokens", ErrUsage, n)
		}
	}
	return nil
}

// ErrTooExpensive is the reason for which Cost refuses a call dearer than money.Max.
var ErrTooExpensive = errors.New("cost above 9000000 US dollars")

// Cost is what the usage costs, rounded up to the nano-dollar.
func (l List) Cost(u Usage) (money.Nanos, error) {
	if err := u.Validate(); err != nil {
		return 0, err
	}
	var hi, lo uint64
	for _, part := range []struct {
		tokens int64
		price  PerMillion
	}{{u.Input, l.Input}, {u.CachedInput, l.CachedInput}, {u.Output, l.Output}} {
		h, m := bits.Mul64(uint64(part.tokens), uint64(part.price))
		var carry uint64
		lo, carry = bits.Add64(lo, m, 0)
		hi, _ = bits.Add64(hi, h, carry)
	}
	lo, carry := bits.Add64(lo, million-1, 0)
	hi += carry
	if hi >= million {
		return 0, ErrTooExpensive
	}
	cost, _ := bits.Div64(hi, lo, million)
	if cost > uint64(money.Max) {
		return 0, ErrTooExpensive
	}
	return money.Nanos(cost), nil
}

// DearestInput is the highest price at which an input token can be billed.
func (l List) DearestInput() PerMillion { return max(l.Input, l.CachedInput) }
