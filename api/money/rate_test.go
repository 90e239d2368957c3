package money_test

import (
	"errors"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/api/money"
)

func TestRates(t *testing.T) {
	for name, tc := range map[string]struct {
		rate, amount, want string
		err                error
	}{
		"exact":                    {rate: "1.085", amount: "5.00", want: "5.425"},
		"rounded down":             {rate: "0.333333333", amount: "0.000000010", want: "0.000000003"},
		"less than a nano-dollar":  {rate: "0.0066", amount: "0.000000100", err: money.ErrTooSmall},
		"nothing":                  {rate: "0.0066", amount: "0", want: "0.00"},
		"the largest":              {rate: "1", amount: "9000000", want: "9000000.00"},
		"too large by a nano":      {rate: "1.000000001", amount: "9000000", err: money.ErrTooLarge},
		"the largest of all":       {rate: "1000", amount: "9000000", err: money.ErrTooLarge},
		"a rate of nothing":        {rate: "0", amount: "1", err: money.ErrNoRate},
		"a rate above the largest": {rate: "1000.000000001", amount: "1", err: money.ErrNoRate},
		"a rate that is finer":     {rate: "1.0000000001", amount: "1", err: money.ErrTooFine},
		"a rate that is less":      {rate: "-1", amount: "1", err: money.ErrNegative},
	} {
		t.Run(name, func(t *testing.T) {
			amount, err := money.Parse(tc.amount)
			if err != nil {
				t.Fatal(err)
			}
			rate, err := money.ParseRate(tc.rate)
			var got money.Nanos
			if err == nil {
				got, err = rate.ToUSD(amount)
			}
			if !errors.Is(err, tc.err) || err == nil && got.String() != tc.want {
				t.Errorf("got %s, %v, want %s, %v", got, err, tc.want, tc.err)
			}
		})
	}
	for usd, want := range map[money.Nanos]string{5_425_000_000: "5.00", 1: "0.000000001", 0: "0.00", -5_425_000_000: "-5.00", money.USD: "0.921658987"} {
		if got := money.Rate(1_085_000_000).FromUSD(usd); got != want {
			t.Errorf("%s US dollars are %s, want %s", usd, got, want)
		}
	}
}

// TestRatesNeverMakeMoney: an amount is never worth more than was written, by less than a
// nano-dollar less; what is spent never looks like less than it was; more is never worth less.
func TestRatesNeverMakeMoney(t *testing.T) {
	nano := big.NewInt(int64(money.USD))
	rapid.Check(t, func(t *rapid.T) {
		rate := money.Rate(rapid.Int64Range(1, int64(money.MaxRate)).Draw(t, "rate"))
		amount := money.Nanos(rapid.Int64Range(0, int64(money.Max)).Draw(t, "amount"))
		exact := new(big.Int).Mul(big.NewInt(int64(amount)), big.NewInt(int64(rate))) // in nano-nano-dollars
		worth, err := rate.ToUSD(amount)
		switch {
		case errors.Is(err, money.ErrTooLarge):
			if exact.Cmp(new(big.Int).Mul(big.NewInt(int64(money.Max)), nano)) <= 0 {
				t.Fatalf("%s at %s fits, and is refused", amount, rate)
			}
			return
		case errors.Is(err, money.ErrTooSmall):
			if exact.Cmp(nano) >= 0 {
				t.Fatalf("%s at %s is worth something, and is refused", amount, rate)
			}
			return
		case err != nil:
			t.Fatal(err)
		}
		lost := new(big.Int).Sub(exact, new(big.Int).Mul(big.NewInt(int64(worth)), nano))
		if lost.Sign() < 0 || lost.Cmp(nano) >= 0 {
			t.Fatalf("%s at %s is worth %s: %s nano-nano-dollars are lost", amount, rate, worth, lost)
		}
		more, err := rate.ToUSD(amount + money.Nanos(rapid.Int64Range(0, int64(money.Max-amount)).Draw(t, "more")))
		if err == nil && more < worth {
			t.Fatalf("more than %s at %s is worth %s, less than %s", amount, rate, more, worth)
		}
		shown, ok := new(big.Rat).SetString(rate.FromUSD(worth))
		written := big.NewRat(int64(amount), int64(money.USD))
		back := new(big.Rat).Mul(shown, big.NewRat(int64(rate), 1))
		if !ok || shown.Cmp(written) > 0 || back.Cmp(big.NewRat(int64(worth), 1)) < 0 {
			t.Fatalf("%s at %s is worth %s, which looks like %s", amount, rate, worth, shown)
		}
	})
}
