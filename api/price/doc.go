// Package price turns tokens into money.
//
// Prices are exact: nano-USD per million tokens. The cost of a call is computed
// in 128 bits and rounded up to the nano-dollar once, for the whole call.
package price
