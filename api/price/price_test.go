package price_test

import (
	"cmp"
	"errors"
	"math"
	"math/big"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
)

// flat is a book of one list.
func flat(list price.List) price.Book { return price.Book{price.Default: {Base: list}} }

// gpt4o is $2.50, $1.25 and $10 per million tokens.
var gpt4o = flat(price.List{price.Input: 2_500_000_000, price.CachedInput: 1_250_000_000, price.Output: 10_000_000_000})

// all is a list with a price of its own for every kind: 1, 10, 100, ...
func all() price.List {
	list := price.List{}
	next := price.PerMillion(1_000_000)
	for _, kind := range price.Kinds() {
		list[kind], next = next, next*10
	}
	return list
}

// tiered has half the price in flex, and double that of long input.
var tiered = price.Book{
	price.Default: {
		Base:        price.List{price.Input: 2 * money.USD, price.CachedInput: money.USD, price.Output: 10 * money.USD},
		LongContext: []price.LongContext{{AboveInputTokens: 200_000, List: price.List{price.Input: 4 * money.USD, price.CachedInput: 2 * money.USD, price.Output: 20 * money.USD}}},
	},
	"flex": {Base: price.List{price.Input: money.USD, price.CachedInput: money.USD / 2, price.Output: 5 * money.USD}},
}

// extras has factors and fees, and a tenth of a cent a token of input.
var extras = price.Book{price.Default: {
	Base: price.List{price.Input: 1_000_000_000_000, price.CachedInput: 1_000_000, price.Output: 1},
	Multipliers: []price.Multiplier{
		{Property: "geo", Value: "us", Factor: 1_100_000_000}, {Property: "geo", Value: "eu", Factor: 2 * price.One},
		{Property: "speed", Value: "fast", Factor: 6 * price.One}, {Property: "speed", Value: "free", Factor: 0},
	},
	Fees: price.Fees{"search": money.Cent, "fetch": 0},
}}

// eachCall has a fee of 5 nano-dollars for each call, in which there may be three searches.
var eachCall = price.Book{price.Default: {
	Base: extras[price.Default].Base, Fees: price.Fees{price.EachCall: 5, "search": money.Cent}, AnyCallUses: "search=3",
}}

func TestCost(t *testing.T) {
	for name, tc := range map[string]struct {
		book  price.Book
		usage price.Usage
		want  money.Nanos
	}{
		"a factor":                   {extras, price.Usage{Input: 1, Properties: "geo=us"}, 1_100_000},
		"a property as it mostly is": {extras, price.Usage{Input: 1, Properties: "geo=&speed="}, 1_000_000},
		"two factors":                {extras, price.Usage{Input: 1, Properties: "geo=us&speed=fast"}, 6_600_000},
		"a factor, rounded up once":  {extras, price.Usage{CachedInput: 1, Properties: "geo=us"}, 2},
		"a factor of nothing":        {extras, price.Usage{Input: 1, Properties: "speed=free"}, 0},
		"a fee":                      {extras, price.Usage{Uses: "search=3"}, 30_000_000},
		"a fee is not multiplied":    {extras, price.Usage{Input: 1, Properties: "geo=us", Uses: "fetch=9&search=1"}, 1_100_000 + 10_000_000},
		"a fee of each call":         {eachCall, price.Usage{Input: 1}, 1_000_000 + 5},
		"no use of what has no fee":  {extras, price.Usage{Uses: "maps=0"}, 0},
		"nothing":                    {gpt4o, price.Usage{}, 0},
		"a million input":            {gpt4o, price.Usage{Input: 1_000_000}, 2_500_000_000},
		"one of each":                {gpt4o, price.Usage{Input: 1, CachedInput: 1, Output: 1}, 2_500 + 1_250 + 10_000},
		"one of every kind": {flat(all()), price.Usage{
			Input: 1, CachedInput: 1, CacheWrite5m: 1, CacheWrite1h: 1, AudioInput: 1, CachedAudioInput: 1, Output: 1, AudioOutput: 1, ImageOutput: 1,
		}, 111_111_111},
		"so many of every kind": {flat(all()), price.Usage{
			Input: 9, CachedInput: 8, CacheWrite5m: 7, CacheWrite1h: 6, AudioInput: 5, CachedAudioInput: 4, Output: 3, AudioOutput: 2, ImageOutput: 1,
		}, 123_456_789},
		"reasoning is billed as output": {gpt4o, price.Usage{Output: 5, Reasoning: 4}, 50_000},
		"free":                          {flat(price.List{price.Input: 0, price.Output: 0}), price.Usage{Input: 5, Output: price.MaxTokens}, 0},
		"rounded up":                    {flat(price.List{price.Input: 1}), price.Usage{Input: 1}, 1},
		"rounded once":                  {flat(price.List{price.Input: 1, price.CachedInput: 1, price.Output: 1}), price.Usage{Input: 1, CachedInput: 1, Output: 1}, 1},
		"not rounded":                   {flat(price.List{price.Input: 1}), price.Usage{Input: 1_000_000}, 1},
		"just above":                    {flat(price.List{price.Input: 1}), price.Usage{Input: 1_000_001}, 2},
		"a thousandth's part":           {flat(price.List{price.Input: 75_000_000}), price.Usage{Input: 3}, 225},
		"most tokens":                   {gpt4o, price.Usage{Output: price.MaxTokens}, 10_000 * money.USD},
		"dearest":                       {flat(price.List{price.Output: money.Max}), price.Usage{Output: 1_000_000}, money.Max},

		"as long as may be":           {tiered, price.Usage{Input: 100_000, CachedInput: 100_000}, 300 * money.USD / 1000},
		"longer, by what is cached":   {tiered, price.Usage{Input: 100_000, CachedInput: 100_001}, 600_002_000},
		"the whole call is long":      {tiered, price.Usage{Input: 200_001, Output: 1}, 800_004_000 + 20_000},
		"long output is not long":     {tiered, price.Usage{Output: 200_001}, 2_000_010_000},
		"default by name":             {tiered, price.Usage{Input: 1, ServiceTier: price.Default}, 2_000},
		"another service tier":        {tiered, price.Usage{Input: 1, Output: 1, ServiceTier: "flex"}, 6_000},
		"no long input in that, ever": {tiered, price.Usage{Input: 1_000_000, ServiceTier: "flex"}, money.USD},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := tc.book.Cost(tc.usage); err != nil || got != tc.want {
				t.Errorf("%+v of %+v cost %d, %v, want %d", tc.usage, tc.book, got, err, tc.want)
			}
		})
	}
}

func TestCostRefuses(t *testing.T) {
	most := price.Usage{Input: price.MaxTokens, CachedInput: price.MaxTokens, CacheWrite5m: price.MaxTokens, CacheWrite1h: price.MaxTokens,
		AudioInput: price.MaxTokens, CachedAudioInput: price.MaxTokens, Output: price.MaxTokens, AudioOutput: price.MaxTokens, ImageOutput: price.MaxTokens}
	dearest := price.List{}
	for _, kind := range price.Kinds() {
		dearest[kind] = math.MaxInt64
	}
	free := flat(price.List{price.Input: 0, price.Output: 0})
	for name, tc := range map[string]struct {
		book  price.Book
		usage price.Usage
		want  error
	}{
		"negative input":                 {gpt4o, price.Usage{Input: -1}, price.ErrUsage},
		"negative cached":                {gpt4o, price.Usage{CachedInput: -1}, price.ErrUsage},
		"negative output":                {gpt4o, price.Usage{Output: math.MinInt64}, price.ErrUsage},
		"negative image":                 {gpt4o, price.Usage{ImageOutput: -1}, price.ErrUsage},
		"negative reasoning":             {gpt4o, price.Usage{Reasoning: -1}, price.ErrUsage},
		"reasoning alone":                {gpt4o, price.Usage{Output: 1, Reasoning: 2}, price.ErrUsage},
		"absurd":                         {gpt4o, price.Usage{Output: price.MaxTokens + 1}, price.ErrUsage},
		"absurd, but free":               {free, price.Usage{Input: math.MaxInt64}, price.ErrUsage},
		"a kind without a price":         {free, price.Usage{AudioOutput: 1}, price.ErrNoPrice},
		"a service tier without a price": {tiered, price.Usage{Input: 1, ServiceTier: "priority"}, price.ErrNoPrice},
		"no prices":                      {nil, price.Usage{}, price.ErrNoPrice},
		"dearer by a nano":               {flat(price.List{price.Input: 1, price.Output: money.Max}), price.Usage{Input: 1, Output: 1_000_000}, price.ErrTooExpensive},
		"dearer by 64 bits":              {flat(price.List{price.Input: money.Max}), price.Usage{Input: price.MaxTokens}, price.ErrTooExpensive},
		"at 2^64 nanos":                  {flat(price.List{price.Input: 18_446_744_073_709_552}), price.Usage{Input: price.MaxTokens}, price.ErrTooExpensive},
		"a value without a factor":       {extras, price.Usage{Properties: "geo=cn"}, price.ErrNoPrice},
		"a property without factors":     {gpt4o, price.Usage{Properties: "geo=us"}, price.ErrNoPrice},
		"a use without a fee":            {extras, price.Usage{Uses: "maps=1"}, price.ErrNoPrice},
		"fewer uses than none":           {extras, price.Usage{Uses: "search=-1"}, price.ErrUsage},
		"half a use":                     {extras, price.Usage{Uses: "search=0.5"}, price.ErrUsage},
		"too many uses":                  {extras, price.Usage{Uses: "search=1000000001"}, price.ErrUsage},
		"uses that cannot be read":       {extras, price.Usage{Uses: "search=1;fetch"}, price.ErrUsage},
		"two values of a property":       {extras, price.Usage{Properties: "geo=us&geo=eu"}, price.ErrUsage},
		"fees beyond all money":          {extras, price.Usage{Uses: "search=1000000000"}, price.ErrTooExpensive},
		"multiplied beyond all money":    {extras, price.Usage{Input: price.MaxTokens, Properties: "geo=eu&speed=fast"}, price.ErrTooExpensive},
		"tokens and fees together":       {extras, price.Usage{Input: 900_000_000, Uses: "search=900000000"}, price.ErrTooExpensive},
		"dearest everything":             {flat(dearest), most, price.ErrTooExpensive},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := tc.book.Cost(tc.usage); !errors.Is(err, tc.want) || got != 0 {
				t.Errorf("%+v of %+v cost %d, %v, want 0, %v", tc.usage, tc.book, got, err, tc.want)
			}
		})
	}
}

func tokens() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, 200_000), rapid.Int64Range(0, price.MaxTokens))
}

func perMillion() *rapid.Generator[price.PerMillion] {
	return rapid.Custom(func(t *rapid.T) price.PerMillion {
		return price.PerMillion(rapid.OneOf(
			rapid.Int64Range(0, 10),
			rapid.Int64Range(0, int64(100*money.USD)),
			rapid.Int64Range(0, int64(money.Max)),
		).Draw(t, "nanos"))
	})
}

// lists draws lists with a price for every kind, none of them dearer than most.
func lists(prices *rapid.Generator[price.PerMillion]) *rapid.Generator[price.List] {
	return rapid.Custom(func(t *rapid.T) price.List {
		list := price.List{}
		for _, kind := range price.Kinds() {
			list[kind] = prices.Draw(t, string(kind))
		}
		return list
	})
}

func tariffs(prices *rapid.Generator[price.PerMillion]) *rapid.Generator[price.Tariff] {
	return rapid.Custom(func(t *rapid.T) price.Tariff {
		tariff := price.Tariff{Base: lists(prices).Draw(t, "base")}
		above := int64(0)
		for range rapid.IntRange(0, 2).Draw(t, "long contexts") {
			above += rapid.Int64Range(1, 300_000).Draw(t, "above")
			tariff.LongContext = append(tariff.LongContext, price.LongContext{AboveInputTokens: above, List: lists(prices).Draw(t, "long")})
		}
		tariff.Multipliers, tariff.Fees, tariff.AnyCallUses = multipliers(t), fees(t), uses(t)
		return tariff
	})
}

// multipliers draws factors of two properties, for two values each.
func multipliers(t *rapid.T) (drawn []price.Multiplier) {
	for _, property := range []string{"geo", "speed"} {
		for _, value := range []string{"a", "b"} {
			drawn = append(drawn, price.Multiplier{Property: property, Value: value, Factor: price.Factor(rapid.OneOf(
				rapid.Just(int64(price.One)), rapid.Int64Range(0, 3*int64(price.One)), rapid.Int64Range(0, int64(price.MaxFactor)),
			).Draw(t, "factor"))})
		}
	}
	return drawn
}

func fees(t *rapid.T) price.Fees {
	drawn := price.Fees{}
	for _, name := range []string{"search", "fetch", price.EachCall} {
		drawn[name] = money.Nanos(rapid.OneOf(rapid.Int64Range(0, 10), rapid.Int64Range(0, int64(money.USD))).Draw(t, "fee"))
	}
	return drawn
}

// properties draws a value for some of the properties that have factors.
func properties(t *rapid.T) price.Properties {
	values := map[string]string{}
	for _, property := range []string{"geo", "speed"} {
		if value := rapid.SampledFrom([]string{"unnamed", "", "a", "b"}).Draw(t, property); value != "unnamed" {
			values[property] = value
		}
	}
	return price.PropertiesOf(values)
}

func uses(t *rapid.T) price.Uses {
	counts := map[string]int64{}
	for _, name := range []string{"search", "fetch"} {
		counts[name] = rapid.Int64Range(0, 1000).Draw(t, name)
	}
	return price.UsesOf(counts)
}

func books(prices *rapid.Generator[price.PerMillion]) *rapid.Generator[price.Book] {
	return rapid.Custom(func(t *rapid.T) price.Book {
		return price.Book{price.Default: tariffs(prices).Draw(t, "default"), "flex": tariffs(prices).Draw(t, "flex")}
	})
}

var serviceTiers = rapid.SampledFrom([]price.ServiceTier{"", price.Default, "flex"})

func usages(tokens *rapid.Generator[int64]) *rapid.Generator[price.Usage] {
	return rapid.Custom(func(t *rapid.T) price.Usage {
		u := price.Usage{
			Input: tokens.Draw(t, "input"), CachedInput: tokens.Draw(t, "cached"),
			CacheWrite5m: tokens.Draw(t, "5m"), CacheWrite1h: tokens.Draw(t, "1h"),
			AudioInput: tokens.Draw(t, "audio"), CachedAudioInput: tokens.Draw(t, "cached audio"),
			Output: tokens.Draw(t, "output"), AudioOutput: tokens.Draw(t, "audio output"), ImageOutput: tokens.Draw(t, "image output"),
			ServiceTier: serviceTiers.Draw(t, "service tier"),
			Properties:  properties(t), Uses: uses(t),
		}
		u.Reasoning = rapid.Int64Range(0, u.Output).Draw(t, "reasoning")
		return u
	})
}

// exactCost is the cost as a fraction, from the definition of a book.
func exactCost(book price.Book, u price.Usage) *big.Rat {
	tariff := book[price.Default]
	if u.ServiceTier != "" {
		tariff = book[u.ServiceTier]
	}
	list := tariff.Base
	input := u.Input + u.CachedInput + u.CacheWrite5m + u.CacheWrite1h + u.AudioInput + u.CachedAudioInput
	for _, long := range tariff.LongContext {
		if input > long.AboveInputTokens {
			list = long.List
		}
	}
	exact := new(big.Rat)
	for kind, tokens := range map[price.Kind]int64{
		price.Input: u.Input, price.CachedInput: u.CachedInput, price.CacheWrite5m: u.CacheWrite5m, price.CacheWrite1h: u.CacheWrite1h,
		price.AudioInput: u.AudioInput, price.CachedAudioInput: u.CachedAudioInput,
		price.Output: u.Output, price.AudioOutput: u.AudioOutput, price.ImageOutput: u.ImageOutput,
	} {
		exact.Add(exact, new(big.Rat).Mul(big.NewRat(tokens, 1_000_000), big.NewRat(int64(list[kind]), 1)))
	}
	asked, _ := url.ParseQuery(string(u.Properties))
	for _, m := range tariff.Multipliers {
		if asked.Get(m.Property) == m.Value {
			exact.Mul(exact, big.NewRat(int64(m.Factor), 1_000_000_000))
		}
	}
	exact.Add(exact, big.NewRat(int64(tariff.Fees[price.EachCall]), 1))
	used, _ := url.ParseQuery(string(u.Uses))
	for name, n := range used {
		times, _ := new(big.Rat).SetString(n[0])
		exact.Add(exact, times.Mul(times, big.NewRat(int64(tariff.Fees[name]), 1)))
	}
	return exact
}

// TestCostIsExact compares with fractions of any size.
func TestCostIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		book, usage := books(perMillion()).Draw(t, "book"), usages(tokens()).Draw(t, "usage")
		exact := exactCost(book, usage)
		got, err := book.Cost(usage)
		if exact.Cmp(big.NewRat(int64(money.Max), 1)) > 0 {
			if !errors.Is(err, price.ErrTooExpensive) {
				t.Fatalf("cost %d, %v, want %v, as it is exactly %s", got, err, price.ErrTooExpensive, exact)
			}
			return
		}
		// The smallest whole number that is not below the exact cost.
		if err != nil || big.NewRat(int64(got), 1).Cmp(exact) < 0 || big.NewRat(int64(got)-1, 1).Cmp(exact) >= 0 {
			t.Errorf("cost %d, %v, but it is exactly %s", got, err, exact)
		}
	})
}

// TestDearestBoundsEveryCall draws bounds, and calls that keep within them however
// the provider may bill their tokens.
func TestDearestBoundsEveryCall(t *testing.T) {
	affordable := rapid.Custom(func(t *rapid.T) price.PerMillion {
		return price.PerMillion(rapid.Int64Range(0, int64(100*money.USD)).Draw(t, "nanos"))
	})
	few := rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, 300_000))
	rapid.Check(t, func(t *rapid.T) {
		book, bound := books(affordable).Draw(t, "book"), usages(few).Draw(t, "bound")
		tiers := rapid.SampledFrom([][]price.ServiceTier{nil, {price.Default}, {"flex"}, {price.Default, "flex"}}).Draw(t, "tiers")
		dearest, err := book.Dearest(bound, tiers...)
		if err != nil {
			t.Fatal(err)
		}
		usage := within(t, bound)
		usage.ServiceTier = bound.ServiceTier
		if len(tiers) > 0 {
			usage.ServiceTier = rapid.SampledFrom(tiers).Draw(t, "served in")
		}
		usage.Properties, usage.Uses = beside(t, bound, book[cmp.Or(usage.ServiceTier, price.Default)].AnyCallUses)
		if cost, err := book.Cost(usage); err != nil || cost > dearest {
			t.Errorf("%+v costs %d, %v, beyond the %d of the bound %+v in %v", usage, cost, err, dearest, bound, tiers)
		}
	})
}

// beside draws properties and uses that keep within a bound: those that the bound does not
// name may have any value.
func beside(t *rapid.T, bound price.Usage, anyCall price.Uses) (price.Properties, price.Uses) {
	named, _ := url.ParseQuery(string(bound.Properties))
	values := map[string]string{}
	for _, property := range []string{"geo", "speed"} {
		possible := []string{"", "a", "b"}
		if named.Has(property) {
			possible = []string{"", named.Get(property)}
		}
		values[property] = rapid.SampledFrom(possible).Draw(t, property)
	}
	most, _ := bound.Uses.Counts()
	byItself, _ := anyCall.Counts()
	counts := map[string]int64{}
	for _, name := range []string{"search", "fetch"} {
		n, named := most[name]
		if !named {
			n = byItself[name]
		}
		counts[name] = rapid.Int64Range(0, n).Draw(t, name)
	}
	return price.PropertiesOf(values), price.UsesOf(counts)
}

// within draws a usage that keeps within a bound: of each kind there may be fewer
// tokens, and some of them may be of a kind that is narrower.
func within(t *rapid.T, bound price.Usage) (u price.Usage) {
	spread := func(tokens int64, kinds ...*int64) {
		for _, kind := range kinds {
			n := rapid.Int64Range(0, tokens).Draw(t, "of this kind")
			*kind += n
			tokens -= n
		}
	}
	spread(bound.Input, &u.Input, &u.CachedInput)
	spread(bound.CachedInput, &u.CachedInput)
	spread(bound.CacheWrite5m, &u.CacheWrite5m, &u.Input, &u.CachedInput)
	spread(bound.CacheWrite1h, &u.CacheWrite1h, &u.CacheWrite5m, &u.Input, &u.CachedInput)
	spread(bound.AudioInput, &u.AudioInput, &u.CachedAudioInput, &u.Input, &u.CachedInput)
	spread(bound.CachedAudioInput, &u.CachedAudioInput)
	spread(bound.Output, &u.Output)
	spread(bound.AudioOutput, &u.AudioOutput, &u.Output)
	spread(bound.ImageOutput, &u.ImageOutput, &u.Output)
	return u
}

func TestDearest(t *testing.T) {
	dearCache := flat(price.List{price.Input: 1 * money.USD, price.CachedInput: 2 * money.USD, price.CacheWrite5m: 3 * money.USD})
	cheapWhenLong := price.Book{price.Default: {
		Base:        price.List{price.Input: 2 * money.USD},
		LongContext: []price.LongContext{{AboveInputTokens: 10, List: price.List{price.Input: 1 * money.USD}}},
	}}
	for name, tc := range map[string]struct {
		book  price.Book
		bound price.Usage
		tiers []price.ServiceTier
		want  money.Nanos
	}{
		"a property that is not named": {extras, price.Usage{Input: 1}, nil, 12_000_000},
		"one that is named":            {extras, price.Usage{Input: 1, Properties: "geo=us&speed="}, nil, 1_100_000},
		"a discount may not be given":  {extras, price.Usage{Input: 1, Properties: "geo=&speed=free"}, nil, 1_000_000},
		"as many uses as any call has": {eachCall, price.Usage{}, nil, 5 + 30_000_000},
		"as many as the bound has":     {eachCall, price.Usage{Uses: "search=1"}, nil, 5 + 10_000_000},
		"as many uses as there may be": {extras, price.Usage{Uses: "search=8"}, nil, 80_000_000},
		"nothing":                      {gpt4o, price.Usage{}, nil, 0},
		"as Cost, where input is dear": {gpt4o, price.Usage{Input: 2, Output: 1}, nil, 15_000},
		"a dear cache":                 {dearCache, price.Usage{Input: 1}, nil, 2_000},
		"what may be written":          {dearCache, price.Usage{CacheWrite5m: 1}, nil, 3_000},
		"what can be long":             {tiered, price.Usage{Input: 200_001}, nil, 800_004_000},
		"what cannot":                  {tiered, price.Usage{Input: 200_000}, nil, 400_000_000},
		"what was better not long":     {cheapWhenLong, price.Usage{Input: 11}, nil, 22_000},
		"its own service tier":         {tiered, price.Usage{Input: 1, ServiceTier: "flex"}, nil, 1_000},
		"the dearer service tier":      {tiered, price.Usage{Input: 1}, []price.ServiceTier{"flex", price.Default}, 2_000},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := tc.book.Dearest(tc.bound, tc.tiers...); err != nil || got != tc.want {
				t.Errorf("at most %d, %v, want %d", got, err, tc.want)
			}
		})
	}
}

func TestDearestRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		book  price.Book
		bound price.Usage
		tiers []price.ServiceTier
		want  error
	}{
		"a value without a factor":          {extras, price.Usage{Properties: "geo=cn"}, nil, price.ErrNoPrice},
		"a use without a fee":               {gpt4o, price.Usage{Uses: "search=1"}, nil, price.ErrNoPrice},
		"a kind without a price":            {gpt4o, price.Usage{CacheWrite1h: 1}, nil, price.ErrNoPrice},
		"a service tier without a price":    {tiered, price.Usage{}, []price.ServiceTier{price.Default, "priority"}, price.ErrNoPrice},
		"what is beyond all usage":          {gpt4o, price.Usage{Input: price.MaxTokens + 1}, nil, price.ErrUsage},
		"what is dearer than a call may be": {flat(price.List{price.Output: money.Max}), price.Usage{Output: 1_000_001}, nil, price.ErrTooExpensive},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := tc.book.Dearest(tc.bound, tc.tiers...); !errors.Is(err, tc.want) || got != 0 {
				t.Errorf("at most %d, %v, want 0, %v", got, err, tc.want)
			}
		})
	}
}

func TestOffers(t *testing.T) {
	if !gpt4o.Offers(price.CachedInput) || gpt4o.Offers(price.AudioInput) {
		t.Errorf("offers cached input: %t, audio: %t, want true and false", gpt4o.Offers(price.CachedInput), gpt4o.Offers(price.AudioInput))
	}
}

func TestValidate(t *testing.T) {
	list := price.List{price.Input: 1}
	long := func(above ...int64) price.Book {
		tariff := price.Tariff{Base: list}
		for _, tokens := range above {
			tariff.LongContext = append(tariff.LongContext, price.LongContext{AboveInputTokens: tokens, List: list})
		}
		return price.Book{price.Default: tariff}
	}
	for name, tc := range map[string]struct {
		book price.Book
		want string // in the error; empty when there is none
	}{
		"good":                 {tiered, ""},
		"in order":             {long(1, 2), ""},
		"empty":                {price.Book{}, `no price for service tier "default"`},
		"no default":           {price.Book{"flex": {Base: list}}, `no price for service tier "default"`},
		"out of order":         {long(2, 1), "above 1 input tokens is listed after 2"},
		"twice":                {long(2, 2), "above 2 input tokens is listed after 2"},
		"always long":          {long(0), "above 0 input tokens is listed after 0"},
		"negative":             {flat(price.List{price.Output: -1}), "of output is out of range"},
		"too large":            {flat(price.List{price.Input: money.Max + 1}), "of input is out of range"},
		"unknown kind":         {flat(price.List{"smell": 1}), `unknown kind of token "smell"`},
		"with extras":          {extras, ""},
		"two factors":          {price.Book{price.Default: {Base: list, Multipliers: []price.Multiplier{{"a", "b", 1}, {"a", "b", 2}}}}, "two factors"},
		"a huge factor":        {price.Book{price.Default: {Base: list, Multipliers: []price.Multiplier{{"a", "b", price.MaxFactor + 1}}}}, "out of range"},
		"a nameless property":  {price.Book{price.Default: {Base: list, Multipliers: []price.Multiplier{{"", "b", 1}}}}, "lacks its property"},
		"uses without a fee":   {price.Book{price.Default: {Base: list, AnyCallUses: "search=1"}}, "no price for uses of search"},
		"a fee below zero":     {price.Book{price.Default: {Base: list, Fees: price.Fees{"a": -1}}}, "out of range"},
		"in a service tier":    {price.Book{price.Default: {Base: list}, "flex": {Base: price.List{price.Input: -1}}}, `service tier "flex": price`},
		"in a list for longer": {price.Book{price.Default: {Base: list, LongContext: []price.LongContext{{AboveInputTokens: 5, List: price.List{price.Input: -1}}}}}, "long context above 5 input tokens: price"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.book.Validate()
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
}

func TestTotal(t *testing.T) {
	u := price.Usage{
		Input: 1, CachedInput: 20, CacheWrite5m: 300, CacheWrite1h: 4_000, AudioInput: 50_000, CachedAudioInput: 600_000,
		Output: 7_000_000, AudioOutput: 80_000_000, ImageOutput: 900_000_000, Reasoning: 5_000_000,
	}
	if got, want := u.TotalInput(), int64(654_321); got != want {
		t.Errorf("total input is %d, want %d", got, want)
	}
	if got, want := u.Total(), int64(987_654_321); got != want {
		t.Errorf("total is %d, want %d", got, want)
	}
}

// BenchmarkDearest bounds a call of text by a list of three prices.
func BenchmarkDearest(b *testing.B) {
	for b.Loop() {
		if _, err := gpt4o.Dearest(price.Usage{Input: 1000, Output: 2000}, price.Default); err != nil {
			b.Fatal(err)
		}
	}
}
