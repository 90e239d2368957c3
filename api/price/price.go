package price

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/bursar-dev/bursar/api/money"
)

// PerMillion is the price of one million tokens in nano-USD. Providers publish prices
// in dollars per million tokens, so every published price with up to nine digits after
// the point is exact.
type PerMillion = money.Nanos

// million is the number of tokens that a price is quoted for.
const million = 1_000_000

// List is the price of each kind of token. A kind that is not in the list cannot be had: a
// usage of it has no cost, and a bound of it is refused.
type List map[Kind]PerMillion

// Tariff is what calls of a service tier cost: by the length of their input, by properties
// that multiply the cost of their tokens, and by what they use in addition to tokens.
type Tariff struct {
	// Base is the list for calls that no other list is for.
	Base List `json:"base"`
	// LongContext are the lists of calls with long input, the shortest first.
	LongContext []LongContext `json:"longContext,omitempty"`
	// Multipliers are the factors of calls whose tokens cost more, or less, than the lists
	// say. Those of several properties are multiplied. A value without a factor has no
	// price.
	Multipliers []Multiplier `json:"multipliers,omitempty"`
	// Fees are what is billed in addition to tokens. A use without a fee has no price.
	Fees Fees `json:"fees,omitempty"`
	// AnyCallUses is how often a call may use each thing that its request does not bound.
	AnyCallUses Uses `json:"anyCallUses,omitempty"`
}

// LongContext is the list of calls with more input than a number of tokens. It
// prices the whole call, not only what is beyond the number.
type LongContext struct {
	// AboveInputTokens is the number of input tokens, of all kinds, that a call may
	// have without being long.
	AboveInputTokens int64 `json:"aboveInputTokens"`
	List             List  `json:"list"`
}

// Book is what calls of a model cost, by their service tier. It has a Tariff for Default.
type Book map[ServiceTier]Tariff

var (
	// ErrTooExpensive is the reason for which Cost and Dearest refuse a call dearer
	// than money.Max.
	ErrTooExpensive = errors.New("cost above 9000000 US dollars")
	// ErrNoPrice is the reason for which Cost and Dearest refuse tokens of a kind, a
	// service tier, a property's value, or a use, for which there is no price.
	ErrNoPrice = errors.New("no price")
)

// Cost is what the usage costs, rounded up to the nano-dollar: the amount Billed, if that is
// set, or else what its tokens cost. The error is ErrUsage, ErrNoPrice or ErrTooExpensive.
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
	factors, err := tariff.factors(u.Properties)
	if err != nil {
		return 0, err
	}
	lists := tariff.upTo(u.TotalInput())
	return tariff.total(lists[len(lists)-1].price, u, u.Uses, factors)
}

// prices are the price of each kind of token, if it has one.
type prices func(Kind) (PerMillion, bool)

// total is what the tokens cost by the prices, times the factors, and what the uses cost.
func (t Tariff) total(by prices, u Usage, uses Uses, factors []Factor) (money.Nanos, error) {
	tokens, err := by.cost(u, factors)
	if err != nil {
		return 0, err
	}
	fees, err := t.fees(uses)
	if err != nil {
		return 0, err
	}
	if fees > money.Max-tokens {
		return 0, ErrTooExpensive
	}
	return tokens + fees, nil
}

// Dearest is the most that a call can cost that uses no more tokens than the bound
// and is served in one of the service tiers; none means the bound's own.
//
// Tokens of a kind in the bound may turn out to be of a kind that is narrower, and
// there may be fewer of them: input may be read from the cache, and what was to be
// written to the cache for an hour may be written for five minutes, or be input as
// any other. A bound of Input, therefore, holds where nothing can be written to the
// cache at a price of its own, and one of CacheWrite1h always does.
//
// A property that the bound names may have the value named there, or none that changes the
// price. All others may have any value that has a factor. Where the bound has no uses of
// something, not even a count of 0, there may be as many as AnyCallUses has.
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
		factors, err := tariff.dearestFactors(bound.Properties)
		if err != nil {
			return 0, err
		}
		for _, list := range tariff.upTo(bound.TotalInput()) {
			cost, err := tariff.total(list.dearest, bound, tariff.mostUses(bound.Uses), factors)
			if err != nil {
				return 0, err
			}
			dearest = max(dearest, cost)
		}
	}
	return dearest, nil
}

// Offers reports whether there is a price for tokens of the kind in the Default tier.
func (b Book) Offers(kind Kind) bool {
	_, ok := b[Default].Base[kind]
	return ok
}

// Charges reports whether there is a fee for uses with the name in the Default tier.
func (b Book) Charges(name string) bool {
	_, ok := b[Default].Fees[name]
	return ok
}

// MostUses is how often a call may use a thing that its request does not bound, by name, in
// the Default tier; 0 if that is unknown.
func (b Book) MostUses(name string) int64 {
	counts, err := b[Default].AnyCallUses.Counts()
	if err != nil {
		return 0 // Validate reports the error
	}
	return counts[name]
}

// Multiplies reports whether there is a factor for that value of the property in the Default
// tier.
func (b Book) Multiplies(property, value string) bool {
	_, ok := b[Default].factor(property, value)
	return ok
}

func (b Book) tariff(tier ServiceTier) (Tariff, error) {
	tariff, ok := b[tier]
	if !ok {
		return Tariff{}, fmt.Errorf("%w for service tier %q", ErrNoPrice, tier)
	}
	return tariff, nil
}

// upTo are the lists of calls with up to so many input tokens. The last is that of a call
// with exactly as many.
func (t Tariff) upTo(inputTokens int64) []List {
	lists := []List{t.Base}
	for _, long := range t.LongContext {
		if inputTokens > long.AboveInputTokens {
			lists = append(lists, long.List)
		}
	}
	return lists
}

// mayBe are the kinds that tokens of a kind in a bound may turn out to be.
var mayBe = map[Kind][]Kind{
	Input:        {CachedInput},
	CacheWrite5m: {Input, CachedInput},
	CacheWrite1h: {Input, CachedInput, CacheWrite5m},
	AudioInput:   {Input, CachedInput, CachedAudioInput, CacheWrite5m},
	AudioOutput:  {Output},
	ImageOutput:  {Output},
}

// price is the price of a kind.
func (l List) price(of Kind) (PerMillion, bool) {
	price, ok := l[of]
	return price, ok
}

// dearest is the dearest price that tokens of a kind in a bound can have.
func (l List) dearest(of Kind) (PerMillion, bool) {
	price, ok := l[of]
	for _, other := range mayBe[of] {
		price = max(price, l[other])
	}
	return price, ok
}

// cost is what the tokens of a valid usage cost, times the factors, rounded up to the
// nano-dollar once.
func (by prices) cost(u Usage, factors []Factor) (money.Nanos, error) {
	var hi, lo uint64
	for _, kind := range Kinds() {
		tokens := u.Tokens(kind)
		if tokens == 0 {
			continue
		}
		price, ok := by(kind)
		if !ok {
			return 0, fmt.Errorf("%w for tokens of kind %s", ErrNoPrice, kind)
		}
		h, m := bits.Mul64(uint64(tokens), uint64(price))
		var carry uint64
		lo, carry = bits.Add64(lo, m, 0)
		hi, _ = bits.Add64(hi, h, carry)
	}
	if len(factors) > 0 {
		return times(hi, lo, factors)
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

// Validate reports whether the book is valid: it has a tariff for Default, prices and
// fees between 0 and money.Max, factors between 0 and MaxFactor, no unknown kinds, and
// lists for long input in their order.
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
	if err := t.validateMultipliers(); err != nil {
		return err
	}
	return t.validateFees()
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
