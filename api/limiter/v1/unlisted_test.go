package limiterv1_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// TestUnlisted: at the dearest prices of all models, as they are at the moment.
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
	for now, prices := range map[time.Time]price.Book{change.Add(-1): costs(2, 5), change: costs(4, 5)} {
		want := limiterv1.Model{Name: "c", UpstreamName: "c", ContextWindow: 9, MaxOutputTokens: 7, Prices: prices, Unlisted: true}
		if got := provider.Unlisted("c", now); !reflect.DeepEqual(got, want) {
			t.Errorf("at %s got %+v, want %+v", now, got, want)
		}
	}
}

func TestIsModelName(t *testing.T) {
	for name, want := range map[string]bool{
		"gpt-4o-mini": true, "meta-llama/Llama-3.3-70B:free": true, "publishers/google/models/x@001": true, strings.Repeat("m", 128): true,
		"": false, strings.Repeat("m", 129): false, "-gpt": false, "gpt 4o": false, "gpt\n": false, "gpt-4o\n": false, "モデル": false, "a?b": false, "a%2fb": false,
	} {
		if got := limiterv1.IsModelName(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}
