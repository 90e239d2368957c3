package priceimport

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// maxPrice is far above every published price per million tokens.
const maxPrice = 10_000

// plausible are the numbers that are read exactly: none of them is long.
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
	text := dollars.FloatString(decimals)
	if exact, _ := new(big.Rat).SetString(text); exact.Cmp(dollars) != 0 {
		return "", fmt.Errorf("%s has more than %d digits after the point per million tokens", number, decimals)
	}
	text = strings.TrimRight(text, "0")
	// As prices are written: with cents at least.
	for len(text)-strings.Index(text, ".") < len(".00") {
		text += "0"
	}
	return v1alpha1.Price(text), nil
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
