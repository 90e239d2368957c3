package compile

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// priceChanges compiles price changes, the earliest first, whatever their order in the
// resource.
func priceChanges(changes []v1alpha1.PriceChange, path *field.Path) ([]limiterv1.PriceChange, field.ErrorList) {
	var compiled []limiterv1.PriceChange
	var errs field.ErrorList
	for i, change := range changes {
		from := change.EffectiveFrom.UTC()
		if slices.ContainsFunc(compiled, func(c limiterv1.PriceChange) bool { return c.EffectiveFrom.Equal(from) }) {
			errs = append(errs, field.Duplicate(path.Index(i).Child("effectiveFrom"), change.EffectiveFrom))
		}
		prices, priceErrs := book(change.Prices, path.Index(i).Child("prices"))
		errs = append(errs, priceErrs...)
		compiled = append(compiled, limiterv1.PriceChange{EffectiveFrom: from, Prices: prices})
	}
	slices.SortFunc(compiled, func(a, b limiterv1.PriceChange) int { return a.EffectiveFrom.Compare(b.EffectiveFrom) })
	return compiled, errs
}

// book compiles all prices that are in force at one time.
func book(prices v1alpha1.Prices, path *field.Path) (price.Book, field.ErrorList) {
	standard, errs := tariff(prices.PriceList, prices.LongContext, path)
	book := price.Book{price.Default: standard}
	for i, tier := range prices.ServiceTiers {
		tariff, tierErrs := tariff(tier.PriceList, tier.LongContext, path.Child("serviceTiers").Index(i))
		errs = append(errs, tierErrs...)
		book[price.ServiceTier(tier.Name)] = tariff
	}
	multipliers, multiplierErrs := multipliers(prices.Multipliers, path.Child("multipliers"))
	fees, feeErrs := fees(prices.Fees, path.Child("fees"))
	for tier, tariff := range book {
		tariff.Multipliers, tariff.Fees, tariff.AnyCallUses = multipliers, fees, anyCallUses(prices.Fees)
		book[tier] = tariff
	}
	return book, slices.Concat(errs, multiplierErrs, feeErrs)
}

// multipliers compiles factors, which are decimal numbers, like amounts.
func multipliers(declared []v1alpha1.PriceMultiplier, path *field.Path) ([]price.Multiplier, field.ErrorList) {
	var compiled []price.Multiplier
	var errs field.ErrorList
	for i, m := range declared {
		factor, err := money.Parse(string(m.Factor))
		if err != nil || price.Factor(factor) > price.MaxFactor {
			errs = append(errs, field.Invalid(path.Index(i).Child("factor"), m.Factor, `must be a decimal number between 0 and 1000, such as "1.1"`))
		}
		compiled = append(compiled, price.Multiplier{Property: m.Property, Value: m.Value, Factor: price.Factor(factor)})
	}
	return compiled, errs
}

func fees(declared []v1alpha1.Fee, path *field.Path) (price.Fees, field.ErrorList) {
	var compiled price.Fees
	var errs field.ErrorList
	for i, fee := range declared {
		amount, err := money.Parse(string(fee.Amount))
		if err != nil {
			errs = append(errs, field.Invalid(path.Index(i).Child("amount"), fee.Amount, err.Error()))
		}
		if compiled == nil {
			compiled = price.Fees{}
		}
		compiled[fee.Name] = amount
	}
	return compiled, errs
}

func tariff(base v1alpha1.PriceList, longContext []v1alpha1.LongContextPrices, path *field.Path) (price.Tariff, field.ErrorList) {
	list, errs := priceList(base, path)
	tariff := price.Tariff{Base: list}
	for i, long := range longContext {
		path := path.Child("longContext").Index(i)
		list, listErrs := priceList(long.PriceList, path)
		errs = append(errs, listErrs...)
		errs = append(errs, sameKinds(list, tariff.Base, path)...)
		tariff.LongContext = append(tariff.LongContext, price.LongContext{AboveInputTokens: long.AboveInputTokens, List: list})
	}
	slices.SortFunc(tariff.LongContext, func(a, b price.LongContext) int {
		return cmp.Compare(a.AboveInputTokens, b.AboveInputTokens)
	})
	return tariff, errs
}

// sameKinds refuses prices of long calls for other kinds of token than those of
// shorter calls: a call does not know beforehand whether it will be long.
func sameKinds(long, base price.List, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, kind := range price.Kinds() {
		_, longHas := long[kind]
		_, baseHas := base[kind]
		switch {
		case baseHas && !longHas:
			errs = append(errs, field.Required(path.Child(string(kind)), "shorter calls have a price for it"))
		case longHas && !baseHas:
			errs = append(errs, field.Forbidden(path.Child(string(kind)), "shorter calls have no price for it"))
		}
	}
	return errs
}

// priceList compiles the prices of the kinds of token.
func priceList(prices v1alpha1.PriceList, path *field.Path) (price.List, field.ErrorList) {
	given := map[price.Kind]v1alpha1.Price{
		price.Input:            prices.Input,
		price.CachedInput:      prices.CachedInput,
		price.CacheWrite5m:     prices.CacheWrite5m,
		price.CacheWrite1h:     prices.CacheWrite1h,
		price.AudioInput:       prices.AudioInput,
		price.CachedAudioInput: prices.CachedAudioInput,
		price.Output:           prices.Output,
		price.AudioOutput:      prices.AudioOutput,
		price.ImageOutput:      prices.ImageOutput,
	}
	list := price.List{}
	var errs field.ErrorList
	for _, kind := range price.Kinds() {
		if given[kind] == "" && kind != price.Input {
			continue
		}
		nanos, err := money.Parse(string(given[kind]))
		if err != nil {
			errs = append(errs, field.Invalid(path.Child(string(kind)), given[kind], err.Error()))
		}
		list[kind] = nanos
	}
	if len(errs) > 0 {
		return list, errs
	}
	setDefault(list, price.CachedInput, price.Input)
	setDefault(list, price.CachedAudioInput, price.AudioInput)
	return list, implausible(list, path)
}

// setDefault gives a kind without a price that of another kind, if that has one.
func setDefault(list price.List, kind, other price.Kind) {
	if _, given := list[kind]; given {
		return
	}
	if p, ok := list[other]; ok {
		list[kind] = p
	}
}

// implausible are the errors of a list that no provider can have meant.
func implausible(list price.List, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	refuse := func(kind price.Kind, detail string) {
		errs = append(errs, field.Invalid(path.Child(string(kind)), list[kind].String(), detail))
	}
	for _, pair := range []struct{ cheap, dear price.Kind }{
		{price.CachedInput, price.Input},
		{price.CachedAudioInput, price.AudioInput},
		{price.CacheWrite5m, price.CacheWrite1h},
	} {
		cheap, ok := list[pair.cheap]
		if dear, both := list[pair.dear]; ok && both && cheap > dear {
			refuse(pair.cheap, "must not be more expensive than "+string(pair.dear))
		}
	}
	for _, pair := range []struct{ kind, needs price.Kind }{
		{price.CachedAudioInput, price.AudioInput},
		{price.AudioOutput, price.Output},
		{price.ImageOutput, price.Output},
	} {
		_, ok := list[pair.kind]
		if _, both := list[pair.needs]; ok && !both {
			refuse(pair.kind, "must not be set without "+string(pair.needs))
		}
	}
	return errs
}

// anyCallUses are how often a call may use each thing that its request does not bound.
func anyCallUses(declared []v1alpha1.Fee) price.Uses {
	uses := map[string]int64{}
	for _, fee := range declared {
		uses[fee.Name] = fee.UsesPerCall
	}
	return price.UsesOf(uses)
}
