package price_test

import (
	"errors"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
)

// gpt4o is $2.50, $1.25 and $10 per million tokens.
var gpt4o = price.List{Input: 2_500_000_000, CachedInput: 1_250_000_000, Output: 10_000_000_000}

func TestCost(t *testing.T) {
	for name, tc := range map[string]struct {
		list  price.List
		usage price.Usage
		want  money.Nanos
	}{
		"nothing":             {gpt4o, price.Usage{}, 0},
		"a million input":     {gpt4o, price.Usage{Input: 1_000_000}, 2_500_000_000},
		"one of each":         {gpt4o, price.Usage{Input: 1, CachedInput: 1, Output: 1}, 2_500 + 1_250 + 10_000},
		"free":                {price.List{}, price.Usage{Input: 5, CachedInput: 5, Output: price.MaxTokens}, 0},
		"rounded up":          {price.List{Input: 1}, price.Usage{Input: 1}, 1},
		"rounded once":        {price.List{Input: 1, CachedInput: 1, Output: 1}, price.Usage{Input: 1, CachedInput: 1, Output: 1}, 1},
		"not rounded":         {price.List{Input: 1}, price.Usage{Input: 1_000_000}, 1},
		"just above":          {price.List{Input: 1}, price.Usage{Input: 1_000_001}, 2},
		"a thousandth's part": {price.List{Input: 75_000_000}, price.Usage{Input: 3}, 225},
		"most tokens":         {gpt4o, price.Usage{Output: price.MaxTokens}, 10_000 * money.USD},
		"dearest":             {price.List{Output: money.Max}, price.Usage{Output: 1_000_000}, money.Max},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := tc.list.Cost(tc.usage); err != nil || got != tc.want {
				t.Errorf("%+v of %+v cost %d, %v, want %d", tc.usage, tc.list, got, err, tc.want)
			}
		})
	}
}

func TestCostRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		list  price.List
		usage price.Usage
		want  error
	}{
		"negative input":     {gpt4o, price.Usage{Input: -1}, price.ErrUsage},
		"negative cached":    {gpt4o, price.Usage{CachedInput: -1}, price.ErrUsage},
		"negative output":    {gpt4o, price.Usage{Output: math.MinInt64}, price.ErrUsage},
		"absurd":             {gpt4o, price.Usage{Output: price.MaxTokens + 1}, price.ErrUsage},
		"absurd, but free":   {price.List{}, price.Usage{Input: math.MaxInt64}, price.ErrUsage},
		"dearer by a nano":   {price.List{Input: 1, Output: money.Max}, price.Usage{Input: 1, Output: 1_000_000}, price.ErrTooExpensive},
		"dearer by 64 bits":  {price.List{Input: money.Max}, price.Usage{Input: price.MaxTokens}, price.ErrTooExpensive},
		"at 2^64 nanos":      {price.List{Input: 18_446_744_073_709_552}, price.Usage{Input: price.MaxTokens}, price.ErrTooExpensive},
		"dearest everything": {price.List{Input: math.MaxInt64, CachedInput: math.MaxInt64, Output: math.MaxInt64}, price.Usage{Input: price.MaxTokens, CachedInput: price.MaxTokens, Output: price.MaxTokens}, price.ErrTooExpensive},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := tc.list.Cost(tc.usage); !errors.Is(err, tc.want) || got != 0 {
				t.Errorf("%+v of %+v cost %d, %v, want 0, %v", tc.usage, tc.list, got, err, tc.want)
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

// TestCostIsExact compares with fractions of any size.
func TestCostIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := price.List{
			Input: perMillion().Draw(t, "input"), CachedInput: perMillion().Draw(t, "cached"), Output: perMillion().Draw(t, "output"),
		}
		usage := price.Usage{
			Input: tokens().Draw(t, "input tokens"), CachedInput: tokens().Draw(t, "cached tokens"), Output: tokens().Draw(t, "output tokens"),
		}
		exact := new(big.Rat)
		for _, part := range [][2]int64{
			{usage.Input, int64(list.Input)}, {usage.CachedInput, int64(list.CachedInput)}, {usage.Output, int64(list.Output)},
		} {
			exact.Add(exact, new(big.Rat).Mul(big.NewRat(part[0], 1_000_000), big.NewRat(part[1], 1)))
		}
		got, err := list.Cost(usage)
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

func TestDearestInput(t *testing.T) {
	for _, tc := range []struct {
		list price.List
		want price.PerMillion
	}{
		{gpt4o, gpt4o.Input},
		{price.List{Input: 1, CachedInput: 2, Output: 3}, 2},
		{price.List{}, 0},
	} {
		if got := tc.list.DearestInput(); got != tc.want {
			t.Errorf("dearest input of %+v is %d, want %d", tc.list, got, tc.want)
		}
	}
}

func TestTotal(t *testing.T) {
	if got, want := (price.Usage{Input: 1, CachedInput: 20, Output: 300}).Total(), int64(321); got != want {
		t.Errorf("total is %d, want %d", got, want)
	}
}
