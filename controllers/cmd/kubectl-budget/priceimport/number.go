package priceimport

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// maxPrice is far above every published price per million tokens.
const maxPrice = 10_000

// plausible are the numbers that are read, exactly: a number of a real price is not longer.
var plausible = regexp.MustCompile(`^-?[0-9]{1,20}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,2})?$`)

// decimals is how many digits after the point a price may have.
const decimals = 9

// toPrice is a number of dollars for so many tokens as a price for a million of
// them, exactly.
func toPrice(number json.Number, tokens int64) (v1alpha1.Price, error) {
	if !plausible.MatchString(number.String()) {
		return "", fmt.Errorf("%s is not a price", number)
	}
	dollars, ok := new(big.Rat).SetString(number.String())
	if !ok {
		return "", fmt.Errorf("%s is not a price", number)
	}
	dollars.Mul(dollars, big.NewRat(1_000_000, tokens))
	switch {
	case dollars.Sign() < 0:
		return "", fmt.Errorf("%s is negative", number)
	case dollars.Cmp(big.NewRat(maxPrice, 1)) > 0:
		return "", fmt.Errorf("%s dollars per million tokens is too high for a price: check that it is not a price per token", dollars.FloatString(2))
	}
	text, ok := exactly(dollars)
	if !ok {
		text, ok = exactly(withoutNoise(number, tokens))
	}
	if !ok {
		return "", fmt.Errorf("%s has more than %d digits after the point per million tokens", number, decimals)
	}
	return v1alpha1.Price(withCents(text)), nil
}

// withCents is a number as prices are written: with at least two digits after the point, and no
// further zeros at the end.
func withCents(text string) string {
	text = strings.TrimRight(text, "0")
	for len(text)-strings.Index(text, ".") < len(".00") {
		text += "0"
	}
	return text
}

// exactly is a number with as many digits as a price may have, if it needs no more.
func exactly(dollars *big.Rat) (string, bool) {
	text := dollars.FloatString(decimals)
	exact, ok := new(big.Rat).SetString(text)
	return text, ok && exact.Cmp(dollars) == 0
}

// A floating-point number that results from arithmetic prints with so many digits, of which the
// last two are noise: 0.30000000000000004, for 0.1 + 0.2.
const (
	noisyDigits    = 16
	maxNoisyDigits = 17
	trueDigits     = 15
)

// withoutNoise is a price for a million tokens, without the noise of floating-point arithmetic. A
// number with fewer or more digits than such noise produces stays as it is.
func withoutNoise(number json.Number, tokens int64) *big.Rat {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(number.String()), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if n := len(digits); n >= noisyDigits && n <= maxNoisyDigits {
		// The digits as a whole number, rounded to the true ones.
		cut := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n-trueDigits)), nil)
		all, _ := new(big.Int).SetString(digits, 10)
		all.Add(all, new(big.Int).Quo(cut, big.NewInt(2)))
		all.Sub(all, new(big.Int).Mod(all, cut))
		mantissa = fmt.Sprintf("%se-%d", all, len(fraction))
	}
	rounded, ok := new(big.Rat).SetString(mantissa)
	scale, okScale := new(big.Rat).SetString("1e" + cmp.Or(exponent, "0"))
	if !ok || !okScale {
		return new(big.Rat)
	}
	rounded.Mul(rounded, scale)
	return rounded.Mul(rounded, big.NewRat(1_000_000, tokens))
}

// toTokens is a number of tokens; 0 when there is none.
func toTokens(number json.Number) (int64, error) {
	if number == "" {
		return 0, nil
	}
	if !plausible.MatchString(number.String()) {
		return 0, fmt.Errorf("%s is not a number of tokens", number)
	}
	tokens, ok := new(big.Rat).SetString(number.String())
	if !ok || !tokens.IsInt() || tokens.Sign() < 0 || !tokens.Num().IsInt64() {
		return 0, fmt.Errorf("%s is not a number of tokens", number)
	}
	return tokens.Num().Int64(), nil
}
