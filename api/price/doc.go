// Package price turns tokens into money.
//
// A Book has a Tariff for each service tier of a model, and a Tariff a List for
// each length of input; a List has the price of each Kind of token. Prices are
// exact: nano-USD per million tokens. A Tariff may multiply what tokens cost, by what is
// known of a call, and add fees for what is billed beside tokens. The cost of a call is
// computed in whole numbers of any size and rounded up to the nano-dollar once, for the
// whole call.
package price
