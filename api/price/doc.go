// Package price turns tokens into money.
//
// A Book has a Tariff for each service tier of a model, and a Tariff a List for
// each length of input; a List has the price of each Kind of token. Prices are
// exact: nano-USD per million tokens. The cost of a call is computed in 128 bits
// and rounded up to the nano-dollar once, for the whole call.
package price
