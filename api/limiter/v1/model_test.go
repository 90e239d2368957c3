package limiterv1_test

import (
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

func TestPricesInForce(t *testing.T) {
	costs := func(p price.PerMillion) price.Book {
		return price.Book{price.Default: {Base: price.List{price.Input: p}}}
	}
	january, march := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2027, 3, 1, 0, 0, 0, 0, time.UTC)
	model := limiterv1.Model{Prices: costs(1), PriceChanges: []limiterv1.PriceChange{
		{EffectiveFrom: january, Prices: costs(2)}, {EffectiveFrom: march, Prices: costs(3)},
	}}
	for _, tc := range []struct {
		now  time.Time
		want price.PerMillion
	}{
		{january.Add(-1), 1},
		{january, 2},
		{january.In(time.FixedZone("", -3*60*60)), 2},
		{march.Add(-1), 2},
		{march, 3},
		{march.AddDate(10, 0, 0), 3},
	} {
		got := model.At(tc.now)
		if p := got.Prices[price.Default].Base[price.Input]; p != tc.want || len(got.PriceChanges) > 0 {
			t.Errorf("at %s input costs %d, with %d changes to come; want %d and none", tc.now, p, len(got.PriceChanges), tc.want)
		}
	}
}

func TestBoundInput(t *testing.T) {
	for _, tc := range []struct{ window, tokens, want int64 }{{0, 1000, 1000}, {999, 1000, 999}, {1001, 1000, 1000}} {
		if got := (limiterv1.Model{ContextWindow: tc.window}).BoundInput(tc.tokens); got != tc.want {
			t.Errorf("%d tokens in a window of %d: at most %d, want %d", tc.tokens, tc.window, got, tc.want)
		}
	}
}
