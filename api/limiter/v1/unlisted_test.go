package limiterv1_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// TestUnlisted: at the dearest prices of all models, as they are at each time.
func TestUnlisted(t *testing.T) {
	costs := func(input, output price.PerMillion) price.Book {
		return price.Book{price.Default: {Base: price.List{price.Input: input, price.Output: output}}}
	}
	change := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	provider := limiterv1.Provider{
		UnlistedModels: &limiterv1.UnlistedModels{MaxOutputTokens: 7, ContextWindow: 9},
		Models: []limiterv1.Model{
			{Name: "a", Prices: costs(1, 5)},
			{Name: "b", Prices: costs(2, 3), PriceChanges: []limiterv1.PriceChange{{EffectiveFrom: change, Prices: costs(4, 4)}}},
		},
	}
	want := limiterv1.Model{
		ContextWindow: 9, MaxOutputTokens: 7, Unlisted: true,
		Prices: costs(2, 5), PriceChanges: []limiterv1.PriceChange{{EffectiveFrom: change, Prices: costs(4, 5)}},
	}
	if got := provider.Unlisted(); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestUnlistedAtAnyTime: what was made once for the document is what all models cost at
// most at each time, and right before and at each change.
func TestUnlistedAtAnyTime(t *testing.T) {
	begin := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		models := rapid.SliceOfN(models(begin), 1, 4).Draw(rt, "models")
		unlisted := limiterv1.Provider{Models: models, UnlistedModels: &limiterv1.UnlistedModels{MaxOutputTokens: 7}}.Unlisted()
		for hour := -1; hour <= 5; hour++ {
			for _, now := range []time.Time{begin.Add(time.Duration(hour)*time.Hour - 1), begin.Add(time.Duration(hour) * time.Hour)} {
				var books []price.Book
				for _, model := range models {
					books = append(books, model.At(now).Prices)
				}
				if got, want := unlisted.At(now).Prices, price.MostExpensive(books...); !reflect.DeepEqual(got, want) {
					rt.Errorf("at %s got %v, want %v", now, got, want)
				}
			}
		}
	})
}

// models draws models with prices of many kinds, which change at some of the first hours.
func models(begin time.Time) *rapid.Generator[limiterv1.Model] {
	list := rapid.MapOf(rapid.SampledFrom(price.Kinds()), rapid.Map(rapid.Int64Range(0, 9), func(n int64) price.PerMillion { return price.PerMillion(n) }))
	tariff := rapid.Custom(func(t *rapid.T) price.Tariff {
		tariff := price.Tariff{Base: list.Draw(t, "base")}
		if rapid.Bool().Draw(t, "has long context") {
			tariff.LongContext = []price.LongContext{{AboveInputTokens: 10, List: list.Draw(t, "long")}}
		}
		return tariff
	})
	book := rapid.Custom(func(t *rapid.T) price.Book {
		book := price.Book{price.Default: tariff.Draw(t, "default")}
		if rapid.Bool().Draw(t, "has flex") {
			book["flex"] = tariff.Draw(t, "flex")
		}
		return book
	})
	return rapid.Custom(func(t *rapid.T) limiterv1.Model {
		model := limiterv1.Model{Prices: book.Draw(t, "prices")}
		hours := rapid.SliceOfNDistinct(rapid.IntRange(0, 4), 0, 3, rapid.ID).Draw(t, "hours")
		slices.Sort(hours)
		for _, hour := range hours {
			zone := time.FixedZone("", rapid.IntRange(-3, 3).Draw(t, "zone")*60*60)
			from := begin.Add(time.Duration(hour) * time.Hour).In(zone)
			model.PriceChanges = append(model.PriceChanges, limiterv1.PriceChange{EffectiveFrom: from, Prices: book.Draw(t, "prices then")})
		}
		return model
	})
}

func TestIsModelName(t *testing.T) {
	for name, want := range map[string]bool{
		"gpt-4o-mini": true, "meta-llama/Llama-3.3-70B:free": true, "publishers/google/models/x@001": true, "@cf/qwen/qwq-32b": true, "~openai/gpt-latest": true, strings.Repeat("m", 128): true,
		"": false, strings.Repeat("m", 129): false, "-gpt": false, "gpt 4o": false, "gpt\n": false, "gpt-4o\n": false, "モデル": false, "a?b": false, "a%2fb": false,
	} {
		if got := limiterv1.IsModelName(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}

// BenchmarkUnlisted measures how long a provider's document takes to be one whose
// unlisted models have prices, and how long these take to be found for a call.
func BenchmarkUnlisted(b *testing.B) {
	list := func(n int) price.List {
		return price.List{price.Input: price.PerMillion(n), price.CachedInput: price.PerMillion(n), price.Output: price.PerMillion(2 * n)}
	}
	for _, size := range []struct{ models, changes int }{{10, 4}, {512, 4}, {512, 2048}} {
		provider := limiterv1.Provider{UnlistedModels: &limiterv1.UnlistedModels{MaxOutputTokens: 7}}
		for i := range size.models {
			model := limiterv1.Model{Prices: price.Book{price.Default: {Base: list(i)}, "flex": {Base: list(i)}, "priority": {Base: list(2 * i)}}}
			for change := range 4 {
				from := time.Date(2027, 1, 1, (4*i+change)%size.changes, 0, 0, 0, time.UTC)
				model.PriceChanges = append(model.PriceChanges, limiterv1.PriceChange{EffectiveFrom: from, Prices: model.Prices})
			}
			provider.Models = append(provider.Models, model)
		}
		unlisted := provider.Unlisted()
		b.Run(fmt.Sprintf("document of %d models and %d changes", size.models, size.changes), func(b *testing.B) {
			for b.Loop() {
				provider.Unlisted()
			}
		})
		b.Run(fmt.Sprintf("call beside %d models and %d changes", size.models, size.changes), func(b *testing.B) {
			for b.Loop() {
				unlisted.At(time.Date(2027, 1, 1, 5, 0, 0, 0, time.UTC))
			}
		})
	}
}
