package priceimport

import (
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// addModes adds the prices of a model's other modes, which are service tiers and Anthropic's speed,
// and returns the modes that it leaves out.
func (m *devModel) addModes(prices *v1alpha1.Prices, provider string) []string {
	var leftOut leftOuts
	for _, name := range slices.Sorted(maps.Keys(m.Experimental.Modes)) {
		mode := m.Experimental.Modes[name]
		if !slices.ContainsFunc(slices.Collect(maps.Values(mode.Cost)), costs) {
			continue
		}
		part := "experimental.modes." + name
		tier, speed := text(mode.Provider.Body["service_tier"]), text(mode.Provider.Body["speed"])
		switch {
		case len(mode.Provider.Body) == 1 && tier != "":
			leftOut.note(part, mode.addTier(prices, tier))
		case len(mode.Provider.Body) == 1 && speed != "" && provider == "anthropic":
			leftOut.note(part, mode.addSpeed(prices, speed))
		default:
			leftOut.note(part, errors.New("it is not known how a request asks for it"))
		}
	}
	return leftOut.lines()
}

// addTier adds the mode as a service tier.
func (m devMode) addTier(prices *v1alpha1.Prices, name string) error {
	list, err := m.Cost.list()
	switch {
	case err != nil:
		return err
	case len(m.Cost.unknown("")) > 0:
		return errors.New("it has prices that are not of tokens")
	case len(prices.LongContext) > 0:
		return errors.New("it has no prices for long input")
	case list.Input == "" || (prices.Output != "") != (list.Output != ""):
		return errors.New("it has no price for input or output")
	}
	prices.ServiceTiers = append(prices.ServiceTiers, v1alpha1.ServiceTierPrices{Name: name, PriceList: list})
	return nil
}

// addSpeed adds the mode as a factor of all prices, if it is one.
func (m devMode) addSpeed(prices *v1alpha1.Prices, speed string) error {
	list, err := m.Cost.list()
	if err != nil {
		return err
	}
	var factor *big.Rat
	for _, name := range slices.Sorted(maps.Keys(devPrices)) {
		usual, ok := new(big.Rat).SetString(string(*devPrices[name](&prices.PriceList)))
		there, okThere := new(big.Rat).SetString(string(*devPrices[name](&list)))
		if !ok && !okThere {
			continue
		}
		if ok != okThere || usual.Sign() == 0 {
			return errors.New("its prices are not those of other calls by one factor")
		}
		by := new(big.Rat).Quo(there, usual)
		if factor != nil && factor.Cmp(by) != 0 {
			return errors.New("its prices are not those of other calls by one factor")
		}
		factor = by
	}
	if factor == nil {
		return errors.New("it has no prices")
	}
	digits, ok := exactly(factor)
	if !ok {
		return fmt.Errorf("the factor %s is not exact", digits)
	}
	prices.Multipliers = append(prices.Multipliers, v1alpha1.PriceMultiplier{Property: "speed", Value: speed, Factor: v1alpha1.Factor(withCents(digits))})
	return nil
}
