package money_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/bursar-dev/bursar/api/money"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]money.Nanos{
		"0":                 0,
		"0.00":              0,
		"5":                 5 * money.USD,
		"5.00":              5 * money.USD,
		"0.01":              money.Cent,
		"0.5":               50 * money.Cent,
		"0.000000001":       1,
		"1.000000001":       money.USD + 1,
		"007.10":            7*money.USD + 10*money.Cent,
		"9000000":           money.Max,
		"9000000.000000000": money.Max,
		"8999999.999999999": money.Max - 1,
	} {
		if got, err := money.Parse(in); err != nil || got != want {
			t.Errorf("Parse(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for in, want := range map[string]error{
		"":                           money.ErrNotDecimal,
		".":                          money.ErrNotDecimal,
		"5.":                         money.ErrNotDecimal,
		".5":                         money.ErrNotDecimal,
		"five":                       money.ErrNotDecimal,
		" 5":                         money.ErrNotDecimal,
		"5 ":                         money.ErrNotDecimal,
		"+5":                         money.ErrNotDecimal,
		"-":                          money.ErrNotDecimal,
		"--5":                        money.ErrNotDecimal,
		"$5":                         money.ErrNotDecimal,
		"5,00":                       money.ErrNotDecimal,
		"1_000":                      money.ErrNotDecimal,
		"1e3":                        money.ErrNotDecimal,
		"0x10":                       money.ErrNotDecimal,
		"1.2.3":                      money.ErrNotDecimal,
		"1.-5":                       money.ErrNotDecimal,
		"NaN":                        money.ErrNotDecimal,
		"Inf":                        money.ErrNotDecimal,
		"٥":                          money.ErrNotDecimal,
		"5\n":                        money.ErrNotDecimal,
		"-5":                         money.ErrNegative,
		"-0.01":                      money.ErrNegative,
		"0.0000000001":               money.ErrTooFine,
		"1.0000000000":               money.ErrTooFine,
		"9000000.000000001":          money.ErrTooLarge,
		"9000001":                    money.ErrTooLarge,
		"9223372036854775808":        money.ErrTooLarge,
		strings.Repeat("9", 1000):    money.ErrTooLarge,
		"1" + strings.Repeat("0", 9): money.ErrTooLarge,
	} {
		got, err := money.Parse(in)
		if !errors.Is(err, want) || got != 0 {
			t.Errorf("Parse(%q) = %d, %v, want 0, %v", in, got, err, want)
		}
		if err != nil && !strings.Contains(err.Error(), "amount") {
			t.Errorf("Parse(%q): %q does not say what was read", in, err)
		}
	}
}

// rational is the amount in dollars.
func rational(n money.Nanos) *big.Rat { return big.NewRat(int64(n), int64(money.USD)) }

// TestStringIsExact: every amount, also those that Parse would refuse, is written
// as what it is.
func TestStringIsExact(t *testing.T) {
	check := func(n money.Nanos) (string, bool) {
		s := n.String()
		read, ok := new(big.Rat).SetString(s)
		_, fraction, _ := strings.Cut(s, ".")
		return s, ok && read.Cmp(rational(n)) == 0 && len(fraction) >= 2 &&
			(len(fraction) == 2 || !strings.HasSuffix(fraction, "0"))
	}
	for _, n := range []money.Nanos{math.MinInt64, -money.USD, -1, 0, 1, math.MaxInt64} {
		if s, ok := check(n); !ok {
			t.Errorf("Nanos(%d) is written as %s", int64(n), s)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		n := money.Nanos(rapid.Int64().Draw(t, "n"))
		if s, ok := check(n); !ok {
			t.Errorf("Nanos(%d) is written as %s", int64(n), s)
		}
	})
}

func TestString(t *testing.T) {
	for n, want := range map[money.Nanos]string{
		0:              "0.00",
		1:              "0.000000001",
		5 * money.USD:  "5.00",
		money.Cent:     "0.01",
		-50 * 10000000: "-0.50",
		1_230_000_000:  "1.23",
		1_234_500_000:  "1.2345",
		money.Max:      "9000000.00",
		math.MinInt64:  "-9223372036.854775808",
	} {
		if got := n.String(); got != want {
			t.Errorf("Nanos(%d).String() = %q, want %q", int64(n), got, want)
		}
	}
}

func amount() *rapid.Generator[money.Nanos] {
	return rapid.Custom(func(t *rapid.T) money.Nanos {
		return money.Nanos(rapid.OneOf(
			rapid.Int64Range(0, 1000),
			rapid.Int64Range(0, int64(10*money.USD)),
			rapid.Int64Range(0, int64(money.Max)),
			rapid.Int64Range(int64(money.Max)-1000, int64(money.Max)),
		).Draw(t, "nanos"))
	})
}

func TestParseReadsString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := amount().Draw(t, "n")
		if got, err := money.Parse(n.String()); err != nil || got != n {
			t.Errorf("Parse(%q) = %d, %v, want %d", n, got, err, n)
		}
	})
}

// TestParseIsExact: what Parse accepts it reads exactly, and it accepts exactly
// the decimal numbers in its bounds.
func TestParseIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[0-9]{1,8}(\.[0-9]{1,11})?`).Draw(t, "s")
		want, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("%q is no number", s)
		}
		_, fraction, _ := strings.Cut(s, ".")
		got, err := money.Parse(s)
		if acceptable := len(fraction) <= 9 && want.Cmp(rational(money.Max)) <= 0; acceptable != (err == nil) {
			t.Fatalf("Parse(%q) = %d, %v, want it accepted: %v", s, got, err, acceptable)
		}
		if err == nil && rational(got).Cmp(want) != 0 {
			t.Errorf("Parse(%q) = %d", s, got)
		}
	})
}

func TestPercent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, whole := amount().Draw(t, "n"), amount().Draw(t, "whole")
		want := big.NewInt(100)
		if whole > 0 {
			want.Mul(want, big.NewInt(int64(n)))
			want.Quo(want, big.NewInt(int64(whole))) // Rounds down, as n is not negative.
		}
		if got := n.Percent(whole); !want.IsInt64() || got != want.Int64() {
			t.Errorf("%d is %d %% of %d, want %s", n, got, whole, want)
		}
	})
	for _, tc := range []struct {
		n, whole money.Nanos
		want     int64
	}{
		{0, 0, 100}, {5, 0, 100}, {0, 5, 0},
		{899_999_999, money.USD, 89}, {900_000_000, money.USD, 90},
		{money.USD - 1, money.USD, 99}, {money.USD, money.USD, 100}, {money.USD + 1, money.USD, 100},
		{money.Max, money.Max, 100}, {money.Max, 1, 900_000_000_000_000_000},
	} {
		if got := tc.n.Percent(tc.whole); got != tc.want {
			t.Errorf("%d is %d %% of %d, want %d", tc.n, got, tc.whole, tc.want)
		}
	}
}

func TestShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, percent := amount().Draw(t, "n"), rapid.Int32Range(0, 100).Draw(t, "percent")
		share := n.Share(percent)
		// The smallest amount x with 100 x >= percent n.
		product := new(big.Int).Mul(big.NewInt(int64(n)), big.NewInt(int64(percent)))
		hundred := func(x money.Nanos) *big.Int {
			return new(big.Int).Mul(big.NewInt(int64(x)), big.NewInt(100))
		}
		if hundred(share).Cmp(product) < 0 || hundred(share-1).Cmp(product) >= 0 {
			t.Errorf("%d %% of %d is %d", percent, n, share)
		}
		// A rung shows as reached exactly when it is.
		if n > 0 {
			if got := share.Percent(n); got < int64(percent) {
				t.Errorf("at %d, %d %% of %d show, want %d", share, got, n, percent)
			}
			if got := (share - 1).Percent(n); share > 0 && got >= int64(percent) {
				t.Errorf("at %d already, %d %% of %d show", share-1, got, n)
			}
		}
	})
	for _, tc := range []struct {
		n       money.Nanos
		percent int32
		want    money.Nanos
	}{
		{5 * money.USD, 80, 4 * money.USD}, {5 * money.USD, 90, 450 * money.Cent},
		{1, 1, 1}, {1, 0, 0}, {99, 50, 50}, {101, 90, 91}, {0, 90, 0}, {money.Max, 100, money.Max},
	} {
		if got := tc.n.Share(tc.percent); got != tc.want {
			t.Errorf("%d %% of %d is %d, want %d", tc.percent, tc.n, got, tc.want)
		}
	}
}
