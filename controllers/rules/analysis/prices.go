package analysis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/nearest"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Prices per million tokens that no provider has. A lower one than leastPrice, or than
// leastCached for tokens read from a cache, is per thousand tokens or per token. A higher one
// than mostPrice is per billion tokens or in another currency. Published prices are at least
// twice as far inside these bounds.
const (
	leastPrice  = money.USD / 500
	leastCached = money.USD / 2000
	mostPrice   = 2_000 * money.USD
	// cheap is what a cheap model costs.
	cheap = money.Cent
)

// The ratios of two prices of one model from which on one has a digit too many, or the two are
// swapped.
const (
	outputOverInput = 100
	inputOverOutput = 2
	writeOverInput  = 10
	steepChange     = 10
)

// prices finds implausible prices of one time.
func (f *found) prices(spec v1alpha1.ModelProviderSpec, prices v1alpha1.Prices, contextWindow int64, path *field.Path) {
	f.priceList(prices.PriceList, path)
	f.longContext(prices.PriceList, prices.LongContext, contextWindow, path.Child("longContext"))
	for i, tier := range prices.ServiceTiers {
		path := path.Child("serviceTiers").Index(i)
		f.priceList(tier.PriceList, path)
		f.serviceTier(prices.PriceList, tier, path)
		f.longContext(tier.PriceList, tier.LongContext, contextWindow, path.Child("longContext"))
	}
	f.free(spec, prices.PriceList, path)
	f.multipliers(protocolOf(spec), prices.Multipliers, path.Child("multipliers"))
	f.fees(protocolOf(spec), prices.Fees, path.Child("fees"))
}

// pricesOf are the prices of the list by their fields, in their order.
func pricesOf(list v1alpha1.PriceList) []struct {
	kind  price.Kind
	price v1alpha1.Price
} {
	return []struct {
		kind  price.Kind
		price v1alpha1.Price
	}{
		{price.Input, list.Input}, {price.CachedInput, list.CachedInput},
		{price.CacheWrite5m, list.CacheWrite5m}, {price.CacheWrite1h, list.CacheWrite1h},
		{price.AudioInput, list.AudioInput}, {price.CachedAudioInput, list.CachedAudioInput},
		{price.Output, list.Output}, {price.AudioOutput, list.AudioOutput}, {price.ImageOutput, list.ImageOutput},
	}
}

// nanos is a price; not ok where it is not set.
func nanos(p v1alpha1.Price) (n money.Nanos, ok bool) {
	n, err := money.Parse(string(p))
	return n, err == nil
}

// priceList finds prices that are not per million tokens, and prices that do not go together.
func (f *found) priceList(list v1alpha1.PriceList, path *field.Path) {
	perToken := false
	for _, p := range pricesOf(list) {
		n, ok := nanos(p.price)
		least := leastPrice
		if p.kind == price.CachedInput || p.kind == price.CachedAudioInput {
			least = leastCached
		}
		switch path := path.Child(string(p.kind)); {
		case !ok || n == 0:
		case n < least:
			perToken = true
			f.warn(path, "%s USD per million tokens is less than any price known; write %s", p.price, perMillion(n))
		case n > mostPrice:
			f.warn(path, "%s USD per million tokens is more than any price known: prices are US dollars per million tokens, such as \"2.50\"", p.price)
		}
	}
	if !perToken {
		f.ratios(list, path)
	}
}

// perMillion is the price per million tokens if a price is per token, or per thousand.
func perMillion(n money.Nanos) string {
	var ways []string
	for _, unit := range []struct {
		times money.Nanos
		name  string
	}{{1_000_000, "per token"}, {1_000, "per thousand tokens"}} {
		if scaled := n * unit.times; cheap <= scaled && scaled <= mostPrice {
			ways = append(ways, fmt.Sprintf("%q if it is %s", scaled, unit.name))
		}
	}
	if len(ways) == 0 {
		return `US dollars per million tokens, such as "2.50"`
	}
	return strings.Join(ways, ", ")
}

// ratios finds prices of a list that are swapped, or have a digit too many.
func (f *found) ratios(list v1alpha1.PriceList, path *field.Path) {
	input, _ := nanos(list.Input)
	output, hasOutput := nanos(list.Output)
	switch path := path.Child(string(price.Output)); {
	case !hasOutput || input == 0:
	case output == 0:
		f.warn(path, "output costs nothing, and input costs %s: write the price of output, or leave out output and maxOutputTokens", list.Input)
	case output < input/inputOverOutput:
		f.warn(path, "%s is less than half of the price of input, %s; are the two swapped?", list.Output, list.Input)
	case output/input > outputOverInput:
		f.warn(path, "%s is %d times the price of input, %s; is one of them not per million tokens?", list.Output, output/input, list.Input)
	}
	for _, write := range []struct {
		kind  price.Kind
		price v1alpha1.Price
	}{{price.CacheWrite5m, list.CacheWrite5m}, {price.CacheWrite1h, list.CacheWrite1h}} {
		n, ok := nanos(write.price)
		cached, hasCached := nanos(list.CachedInput)
		switch path := path.Child(string(write.kind)); {
		case !ok || input == 0:
		case n/input >= writeOverInput:
			f.warn(path, "%s is %d times the price of input, %s; providers take about 1.25 or 2 times", write.price, n/input, list.Input)
		case hasCached && n < cached:
			f.warn(path, "%s, for writing to the cache, is less than cachedInput %s, for reading; are the two swapped?", write.price, list.CachedInput)
		}
	}
}

// longContext finds prices of long calls that never apply, or are lower than those of short ones.
func (f *found) longContext(base v1alpha1.PriceList, long []v1alpha1.LongContextPrices, contextWindow int64, path *field.Path) {
	short, _ := nanos(base.Input)
	for i, prices := range long {
		path := path.Index(i)
		if contextWindow > 0 && prices.AboveInputTokens >= contextWindow {
			f.noEffect(path.Child("aboveInputTokens"), "no call has more than contextWindow %d tokens of input: lower it, or leave the prices out", contextWindow)
		}
		if prices.AboveInputTokens < fewInput {
			f.warn(path.Child("aboveInputTokens"), "%d tokens are a short call; write %d if it is in thousands", prices.AboveInputTokens, prices.AboveInputTokens*1000)
		}
		f.priceList(prices.PriceList, path)
		if input, ok := nanos(prices.Input); ok && input < short {
			f.warn(path.Child("input"), "%s is less than calls with short input cost, %s; are the two swapped?", prices.Input, base.Input)
		}
	}
}

// serviceTier finds a tier that is dearer, or cheaper, than its name says.
func (f *found) serviceTier(base v1alpha1.PriceList, tier v1alpha1.ServiceTierPrices, path *field.Path) {
	usual, _ := nanos(base.Input)
	input, ok := nanos(tier.Input)
	switch {
	case !ok:
	case slices.Contains([]string{"flex", "batch"}, tier.Name) && input > usual:
		f.warn(path.Child("input"), "%s is more than the default tier costs, %s; %s is cheaper with every provider", tier.Input, base.Input, tier.Name)
	case slices.Contains([]string{"priority", "fast"}, tier.Name) && input < usual:
		f.warn(path.Child("input"), "%s is less than the default tier costs, %s; %s is more expensive with every provider", tier.Input, base.Input, tier.Name)
	}
}

// free finds a model that costs nothing at a provider that bills.
func (f *found) free(spec v1alpha1.ModelProviderSpec, list v1alpha1.PriceList, path *field.Path) {
	input, _ := nanos(list.Input)
	output, _ := nanos(list.Output)
	if name := hostOf(spec.Endpoint); input == 0 && output == 0 && hosts[name].paths != nil && list.Output != "" {
		f.warn(path.Child("input"), "calls cost nothing, though %s bills them: write its prices", name)
	}
}

// priceChanges finds implausible prices of later times.
func (f *found) priceChanges(spec v1alpha1.ModelProviderSpec, model v1alpha1.Model, path *field.Path, now time.Time) {
	was, _ := nanos(model.Prices.Input)
	changes := slices.Clone(model.PriceChanges)
	order := make([]int, len(changes))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return changes[a].EffectiveFrom.Compare(changes[b].EffectiveFrom.Time)
	})
	for _, i := range order {
		change, path := changes[i], path.Index(i)
		f.prices(spec, change.Prices, model.ContextWindow, path.Child("prices"))
		is, ok := nanos(change.Prices.Input)
		if ok && was > 0 && is > 0 && change.EffectiveFrom.After(now) && (is/was >= steepChange || was/is >= steepChange) {
			f.warn(path.Child("prices", "input"), "goes from %s to %s, by a factor of %d: is a digit wrong?", was, is, max(is/was, was/is))
		}
		was = is
	}
}

// manyTimes is a factor above which a percentage was surely meant.
const manyTimes = 20 * money.USD

// multipliers finds factors that apply to no call, and implausible ones.
func (f *found) multipliers(protocol limiterv1.Protocol, multipliers []v1alpha1.PriceMultiplier, path *field.Path) {
	properties := limiterv1.UsualValues(protocol)
	known := slices.Sorted(maps.Keys(properties))
	for i, m := range multipliers {
		path := path.Index(i)
		usual, isKnown := properties[m.Property]
		factor, _ := money.Parse(string(m.Factor))
		switch {
		case len(known) == 0:
			f.noEffect(path.Child("property"), "no call of protocol %s has a property that changes its price: leave it out", protocol)
		case !isKnown:
			f.noEffect(path.Child("property"), "no call of protocol %s has the property %q%s", protocol, m.Property, verdict.DidYouMeanOr(": it has ", m.Property, known))
		case slices.Contains(usual, m.Value):
			f.noEffect(path.Child("value"), "%q does not change the price: leave it out", m.Value)
		case factor == 0:
			f.warn(path.Child("factor"), "makes the tokens of such calls free; write 1.1 for 10 %% more")
		case factor > manyTimes:
			f.warn(path.Child("factor"), "makes such calls cost %s times as much; write 1.1 for 10 %% more", m.Factor)
		}
	}
}

// dearFee is more than any provider takes for one use.
const dearFee = money.USD

// fees finds fees for what no call uses, and fees that are for a thousand uses.
func (f *found) fees(protocol limiterv1.Protocol, fees []v1alpha1.Fee, path *field.Path) {
	known := append(limiterv1.AskedFees(protocol), "call")
	for i, fee := range fees {
		path := path.Index(i)
		f.memberOfUsage(path.Child("name"), fee.Name)
		meant := snake(fee.Name)
		if !slices.Contains(known, meant) {
			meant = nearest.Name(meant, known)
		}
		if meant != "" && !slices.Contains(known, fee.Name) {
			f.warn(path.Child("name"), "no request of protocol %s asks for %q; did you mean %q?", protocol, fee.Name, meant)
		}
		if amount, err := money.Parse(string(fee.Amount)); err == nil && amount >= dearFee {
			f.warn(path.Child("amount"), "%s USD is for one use; write %q if it is the price of a thousand", fee.Amount, amount/1000)
		}
	}
}

// snake is a name in snake case.
func snake(name string) string {
	var b strings.Builder
	for i, r := range strings.ReplaceAll(name, "-", "_") {
		if i > 0 && 'A' <= r && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}
