package money

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
)

// Rate is a rate of exchange: nano-USD for one unit of a currency.
type Rate Nanos

// MaxRate is the largest rate: 1000 US dollars for one unit.
const MaxRate = Rate(1000 * USD)

// The reasons for which ParseRate and ToUSD refuse, in addition to those of Parse.
var (
	ErrNoRate   = errors.New("must be more than 0 and at most 1000 US dollars")
	ErrTooSmall = errors.New("is worth less than a nano-dollar")
)

// ParseRate reads US dollars for one unit of a currency from a plain decimal string, as Parse
// does. It refuses 0 and what is above MaxRate.
func ParseRate(s string) (Rate, error) {
	n, err := Parse(s)
	if err != nil {
		return 0, err
	}
	if n <= 0 || Rate(n) > MaxRate {
		return 0, fmt.Errorf("rate %q: %w", s, ErrNoRate)
	}
	return Rate(n), nil
}

// ToUSD is what an amount of the currency is worth, rounded down to the nano-dollar: never more
// than was written. It fails if that is above Max, or nothing although the amount is not.
// REQUIRES: amount >= 0 and r > 0.
func (r Rate) ToUSD(amount Nanos) (Nanos, error) {
	worth := new(big.Int).Mul(big.NewInt(int64(amount)), big.NewInt(int64(r)))
	worth.Quo(worth, big.NewInt(int64(USD)))
	switch {
	case worth.Cmp(big.NewInt(int64(Max))) > 0:
		return 0, fmt.Errorf("amount %s at %s US dollars: %w", amount, r, ErrTooLarge)
	case worth.Sign() == 0 && amount > 0:
		return 0, fmt.Errorf("amount %s at %s US dollars: %w", amount, r, ErrTooSmall)
	}
	return Nanos(worth.Int64()), nil
}

// FromUSD writes the smallest amount of the currency, to nine digits after the point, that is
// worth at least so many dollars: what was spent never looks like less than it was. It has no
// largest amount. REQUIRES: r > 0.
func (r Rate) FromUSD(usd Nanos) string {
	sign := ""
	if usd < 0 {
		sign, usd = "-", -usd
	}
	units := new(big.Int).Mul(big.NewInt(int64(usd)), big.NewInt(int64(USD)))
	units.Add(units, big.NewInt(int64(r)-1)).Quo(units, big.NewInt(int64(r)))
	whole, fraction := units.QuoRem(units, big.NewInt(int64(USD)), new(big.Int))
	digits := fmt.Sprintf("%09d", fraction)
	return sign + whole.String() + "." + digits[:2] + strings.TrimRight(digits[2:], "0")
}

// String writes the rate as Nanos does: US dollars for one unit.
func (r Rate) String() string { return Nanos(r).String() }
