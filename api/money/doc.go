// Package money is the one representation of money in Bursar: whole nano-dollars.
//
// It must never use floating point and never round on its own: amounts in YAML
// are exact decimal strings, and the only rounding there is, once per call and
// always up, belongs to package price.
package money
