package price

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/bursar-dev/bursar/api/money"
)

// PerMillion is the price of one million tokens in nano-USD. As providers
// publish prices in dollars per million tokens, every published price with up
// to nine digits after the point is exact.
type PerMillion = money.Nanos

// million is the number of tokens that a price is quoted for.
const million = 1_000_000

// List is the price of each kind of token. A kind that is not in the list is not
// to be had: a usage of it has no cost, and a bound of it is refused.
type List map[Kind]PerMillion

// Tariff is what calls cost by the length of their input.
type Tariff struct {
	// Base is the list of calls that no other is for.
	Base List `json:"base"`
	// LongContext are the lists of calls with long input, the shortest first.
	LongContext []LongContext `json:"longContext,omitempty"`
}

// LongContext is the list of calls with more input than a number of tokens. It
// prices the whole call, not only what is beyond the number.
type LongContext struct {
	// AboveInputTokens is the number of input tokens, of all kinds, that a call may
	// have without being long.
	AboveInputTokens int64 `json:"aboveInputTokens"`
	List             List  `json:"list"`
}

// Book is what calls of a model cost by their service tier. It has one for Default.
type Book map[ServiceTier]Tariff

var (
	// ErrTooExpensive is the reason for which Cost and Dearest refuse a call dearer
	// than money.Max.
	ErrTooExpensive = errors.New("cost above 9000000 US dollars")
	// ErrNoPrice is the reason for which Cost and Dearest refuse tokens of a kind, or
	// in a service tier, for which there is no price.
	ErrNoPrice = errors.New("no price")
)

// Cost is what the usage costs, rounded up to the nano-dollar: what is Billed for it, or
// else what its tokens cost. The error is ErrUsage, ErrNoPrice or ErrTooExpensive.
func (b Book) Cost(u Usage) (money.Nanos, error) {
	if err := u.Validate(); err != nil {
		return 0, err
	}
	if u.Billed > 0 {
		return u.Billed, nil
	}
	tariff, err := b.tariff(u.serviceTier())
	if err != nil {
		return 0, err
	}
	lists := tariff.upTo(u.TotalInput())
	return lists[len(lists)-1].cost(u)
}

// Dearest is the most that a call can cost that uses no more tokens than the bound
// and is served in one of the service tiers; none means the bound's own.
//
// Tokens of a kind in the bound may turn out to be of a kind that is narrower, and
// there may be fewer of them: input may be read from the cache, and what was to be
// written to the cache for an hour may be written for five minutes, or be input as
// any other. A bound of Input, therefore, holds where nothing can be written to the
// cache at a price of its own, and one of CacheWrite1h always does.
func (b Book) Dearest(bound Usage, tiers ...ServiceTier) (dearest money.Nanos, err error) {
	if err := bound.Validate(); err != nil {
		return 0, err
	}
	if len(tiers) == 0 {
		tiers = []ServiceTier{bound.serviceTier()}
	}
	for _, tier := range tiers {
		tariff, err := b.tariff(tier)
		if err != nil {
			return 0, err
		}
		for _, list := range tariff.upTo(bound.TotalInput()) {
			cost, err := list.dearest().cost(bound)
			if err != nil {
				return 0, err
			}
			dearest = max(dearest, cost)
		}
	}
	return dearest, nil
}

// Offers is whether there is a price for tokens of the kind in the Default tier.
func (b Book) Offers(kind Kind) bool {
	_, ok := b[Default].Base[kind]
	return ok
}

func (b Book) tariff(tier ServiceTier) (Tariff, error) {
	tariff, ok := b[tier]
	if !ok {
		return Tariff{}, fmt.Errorf("%w for service tier %q", ErrNoPrice, tier)
	}
	return tariff, nil
}

// upTo are the lists of calls with up to so many input tokens. The last is the one
// of a call with just so many.
func (t Tariff) upTo(inputTokens int64) []List {
	lists := []List{t.Base}
	for _, long := range t.LongContext {
		if inputTokens > long.AboveInputTokens {
			lists = append(lists, long.List)
		}
	}
	return lists
}

// mayBe are the kinds that tokens of a bound may turn out to be of.
var mayBe = map[Kind][]Kind{
	Input:        {CachedInput},
	CacheWrite5m: {Input, CachedInput},
	CacheWrite1h: {Input, CachedInput, CacheWrite5m},
	AudioInput:   {Input, CachedInput, CachedAudioInput},
	AudioOutput:  {Output},
	ImageOutput:  {Output},
}

// dearest is the list with each kind at the dearest price that its tokens in a
// bound can have.
func (l List) dearest() List {
	dearest := List{}
	for kind, price := range l {
		for _, other := range mayBe[kind] {
			price = max(price, l[other])
		}
		dearest[kind] = price
	}
	return dearest
}

// cost is what a valid usage costs, rounded up to the nano-dollar.
func (l List) cost(u Usage) (money.Nanos, error) {
	var hi, lo uint64
	for _, kind := range Kinds() {
		tokens := u.Tokens(kind)
		price, ok := l[kind]
		if tokens > 0 && !ok {
			return 0, fmt.Errorf("%w for tokens of kind %s", ErrNoPrice, kind)
		}
		h, m := bits.Mul64(uint64(tokens), uint64(price))
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

// Validate reports whether the book can be counted with: it has a tariff for
// Default, prices between 0 and money.Max, no kind that is unknown here, and lists
// for long input in their order.
func (b Book) Validate() error {
	if _, err := b.tariff(Default); err != nil {
		return err
	}
	for tier, tariff := range b {
		if err := tariff.validate(); err != nil {
			return fmt.Errorf("service tier %q: %w", tier, err)
		}
	}
	return nil
}

func (t Tariff) validate() error {
	if err := t.Base.validate(); err != nil {
		return err
	}
	var above int64
	for _, long := range t.LongContext {
		if long.AboveInputTokens <= above {
			return fmt.Errorf("long context above %d input tokens is listed after %d: sort by tokens", long.AboveInputTokens, above)
		}
		above = long.AboveInputTokens
		if err := long.List.validate(); err != nil {
			return fmt.Errorf("long context above %d input tokens: %w", above, err)
		}
	}
	return nil
}

func (l List) validate() error {
	for kind, price := range l {
		if !slices.Contains(Kinds(), kind) {
			return fmt.Errorf("unknown kind of token %q", kind)
		}
		if price < 0 || price > money.Max {
			return fmt.Errorf("price %s of %s is out of range", price, kind)
		}
	}
	return nil
}
