package price_test

import (
	"errors"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
)

func TestMostExpensive(t *testing.T) {
	list := func(input, output price.PerMillion) price.List {
		return price.List{price.Input: input, price.Output: output}
	}
	long := price.Book{price.Default: {
		Base:        list(1, 1),
		LongContext: []price.LongContext{{AboveInputTokens: 10, List: list(2, 5)}, {AboveInputTokens: 20, List: list(4, 3)}},
	}}
	tiered := price.Book{price.Default: {Base: list(3, 3)}, "flex": {Base: list(1, 9)}}
	for name, tc := range map[string]struct {
		books []price.Book
		want  price.Book
	}{
		"of none":               {nil, price.Book{}},
		"of one":                {[]price.Book{flat(list(2, 3))}, flat(list(2, 3))},
		"each kind by itself":   {[]price.Book{flat(list(1, 9)), flat(list(8, 2))}, flat(list(8, 9))},
		"of long calls":         {[]price.Book{long}, flat(list(4, 5))},
		"a service tier, twice": {[]price.Book{tiered}, price.Book{price.Default: {Base: list(3, 9)}, "flex": {Base: list(3, 9)}}},
		"a service tier, of another's, too": {[]price.Book{flat(list(7, 1)), tiered},
			price.Book{price.Default: {Base: list(7, 9)}, "flex": {Base: list(7, 9)}}},
		"what costs nothing":  {[]price.Book{flat(list(0, 0))}, flat(list(0, 0))},
		"a kind that one has": {[]price.Book{flat(list(1, 1)), flat(price.List{price.AudioInput: 6})}, flat(price.List{price.Input: 1, price.Output: 1, price.AudioInput: 6})},
		"extras": {[]price.Book{extras, {price.Default: {
			Base:        list(1, 1),
			Multipliers: []price.Multiplier{{"geo", "us", 3 * price.One}, {"geo", "cn", price.One}},
			Fees:        price.Fees{"search": 1, "maps": 2},
		}}}, price.Book{price.Default: {
			Base: price.List{price.Input: 1_000_000_000_000, price.CachedInput: 1_000_000, price.Output: 1},
			Multipliers: []price.Multiplier{
				{"geo", "cn", price.One}, {"geo", "eu", 2 * price.One}, {"geo", "us", 3 * price.One}, {"speed", "fast", 6 * price.One}, {"speed", "free", 0},
			},
			Fees: price.Fees{"search": money.Cent, "fetch": 0, "maps": 2},
		}}},
		"no kind that none has": {[]price.Book{flat(price.List{price.Input: 1}), flat(price.List{price.Input: 2})}, flat(price.List{price.Input: 2})},
	} {
		t.Run(name, func(t *testing.T) {
			if got := price.MostExpensive(tc.books...); !reflect.DeepEqual(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

// partial draws books of which some lack kinds of token, and some a service tier.
func partial() *rapid.Generator[price.Book] {
	return rapid.Custom(func(t *rapid.T) price.Book {
		book := books(perMillion()).Draw(t, "book")
		if rapid.Bool().Draw(t, "without flex") {
			delete(book, "flex")
		}
		for _, kind := range price.Kinds()[2:] {
			if rapid.IntRange(0, 4).Draw(t, "lacks") > 0 {
				continue
			}
			for _, tariff := range book {
				delete(tariff.Base, kind)
				for _, long := range tariff.LongContext {
					delete(long.List, kind)
				}
			}
		}
		return book
	})
}

// TestMostExpensiveIsNeverCheaper: than any of the books, neither what was used nor
// what may be.
func TestMostExpensiveIsNeverCheaper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		listed := rapid.SliceOfN(partial(), 1, 4).Draw(t, "books")
		usage := usages(tokens()).Draw(t, "usage")
		most := price.MostExpensive(listed...)
		if err := most.Validate(); err != nil {
			t.Fatal(err)
		}
		for i, book := range listed {
			for what, of := range map[string]func(price.Book) (price.PerMillion, error){
				"what was used costs": func(b price.Book) (price.PerMillion, error) { return b.Cost(usage) },
				"what may be costs":   func(b price.Book) (price.PerMillion, error) { return b.Dearest(usage) },
			} {
				its, err := of(book)
				if errors.Is(err, price.ErrNoPrice) || errors.Is(err, price.ErrTooExpensive) {
					continue
				}
				all, tooMuch := of(most)
				if err != nil || tooMuch != nil && !errors.Is(tooMuch, price.ErrTooExpensive) || tooMuch == nil && all < its {
					t.Errorf("%s %d, %v by the most expensive of all, and %d, %v by book %d", what, all, tooMuch, its, err, i)
				}
			}
		}
	})
}
