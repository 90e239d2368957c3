// Package census counts the resources of all kinds by condition, as metrics.
//
// It must never have a label with the name of an object: there may be tens of
// thousands, and kubectl knows them.
package census
