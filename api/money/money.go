package money

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Nanos is an amount of money in nano-USD: 1 USD is 1,000,000,000 Nanos.
type Nanos int64

const (
	// USD is one US dollar.
	USD Nanos = 1_000_000_000
	// Cent is one hundredth of a US dollar.
	Cent Nanos = USD / 100
	// Max is the largest amount of a limit or a hold: 9,000,000 USD. The limiter
	// counts in IEEE 754 doubles (Redis' Lua has no other number), which are exact
	// up to 2^53; the largest whole million of dollars below 2^53 nano-USD is this.
	Max Nanos = 9_000_000 * USD
)

// decimals is the number of digits of a dollar that Nanos keeps.
const decimals = 9

// The reasons for which Parse refuses an amount.
var (
	ErrNotDecimal = errors.New(`not a decimal number of US dollars, such as "5.00"`)
	ErrNegative   = errors.New("negative")
	ErrTooFine    = errors.New("finer than a nano-dollar: at most 9 digits after the point")
	ErrTooLarge   = errors.New("too large: at most 9000000 US dollars")
)

// Parse reads an amount of US dollars from a plain decimal string: digits, and
// optionally a point and up to nine digits. It refuses signs, exponents, spaces
// and amounts above Max, with an error that wraps one of the Err values.
func Parse(s string) (Nanos, error) {
	n, err := parse(s)
	if err != nil {
		return 0, fmt.Errorf("amount %q: %w", s, err)
	}
	return n, nil
}

func parse(s string) (Nanos, error) {
	whole, fraction, hasPoint := strings.Cut(s, ".")
	if rest, negative := strings.CutPrefix(whole, "-"); negative && digits(rest) {
		return 0, ErrNegative
	}
	if !digits(whole) || hasPoint && !digits(fraction) {
		return 0, ErrNotDecimal
	}
	if len(fraction) > decimals {
		return 0, ErrTooFine
	}
	dollars, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || dollars > int64(Max/USD) {
		return 0, ErrTooLarge
	}
	nanos, err := strconv.ParseInt(fraction+strings.Repeat("0", decimals-len(fraction)), 10, 64)
	if err != nil {
		return 0, ErrNotDecimal
	}
	n := Nanos(dollars)*USD + Nanos(nanos)
	if n > Max {
		return 0, ErrTooLarge
	}
	return n, nil
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// String writes the amount as an exact decimal number of US dollars with at
// least two digits after the point: "5.00", "0.000000001". Parse reads it back.
func (n Nanos) String() string {
	sign, magnitude := "", uint64(n)
	if n < 0 {
		sign, magnitude = "-", -uint64(n)
	}
	fraction := fmt.Sprintf("%09d", magnitude%uint64(USD))
	fraction = fraction[:2] + strings.TrimRight(fraction[2:], "0")
	return sign + strconv.FormatUint(magnitude/uint64(USD), 10) + "." + fraction
}

// Percent is n as a percentage of the whole, rounded down, so that 100 is
// reached only when n reaches the whole. A whole of zero is always fully used.
func (n Nanos) Percent(whole Nanos) int64 {
	if whole <= 0 {
		return 100
	}
	q, r := n/whole, n%whole
	return int64(q)*100 + int64(r)*100/int64(whole)
}

// Share is the smallest amount that is at least percent per cent of n: the
// amount at which a rung of the ladder is reached. REQUIRES: 0 <= n <= Max and
// 0 <= percent <= 100.
func (n Nanos) Share(percent int32) Nanos {
	q, r := n/100, n%100
	return q*Nanos(percent) + (r*Nanos(percent)+99)/100
}
