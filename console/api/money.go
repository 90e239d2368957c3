package api

import "github.com/bursar-dev/bursar/api/money"

// Money is an amount of US dollars.
type Money struct {
	USD   string `json:"usd" example:"12.50" pattern:"^-?[0-9]+\\.[0-9]{2,9}$" doc:"US dollars, exact: at least two digits after the point, at most nine."`
	Nanos int64  `json:"nanos" example:"12500000000" doc:"The same in nano-dollars: 1 USD is 1,000,000,000. Above 9,007,199 USD, readers that take numbers for IEEE 754 doubles, such as JavaScript's, lose digits of it, and none of usd."`
}

func usd(n money.Nanos) Money { return Money{USD: n.String(), Nanos: int64(n)} }

// parsed is an amount as the status of a budget writes it.
func parsed(text string) (Money, error) {
	n, err := money.Parse(text)
	return usd(n), err
}

// left is what is left of a limit; not less than zero.
func left(amount, spent, held int64) *Money {
	m := usd(money.Nanos(max(0, amount-spent-held)))
	return &m
}
