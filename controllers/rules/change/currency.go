package change

import (
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// coin is what a budget writes its amounts in.
type coin struct {
	code string
	// rate is 0 for US dollars.
	rate money.Rate
}

// coinOf is the coin of a budget with a currency, or with none: US dollars.
func coinOf(currency *v1alpha1.Currency) coin {
	if currency != nil {
		if rate, err := money.ParseRate(currency.USDPerUnit); err == nil {
			return coin{currency.Code, rate}
		}
	}
	return coin{code: "USD"}
}

// number is an amount of US dollars in the coin, without its code.
func (c coin) number(dollars money.Nanos) string {
	if c.rate == 0 {
		return dollars.String()
	}
	return c.rate.FromUSD(dollars)
}

// amount is an amount of US dollars in the coin.
func (c coin) amount(dollars money.Nanos) string { return c.number(dollars) + " " + c.code }

// both is an amount of US dollars in the coin, and in US dollars if that is another.
func (c coin) both(dollars money.Nanos) string {
	if c.rate == 0 {
		return c.amount(dollars)
	}
	return c.amount(dollars) + " (" + dollars.String() + " USD)"
}
