// Package modelprovider reconciles ModelProviders: it programs the document of a
// provider and its prices into Redis, and says in the status how far it has got.
//
// A model belongs to one provider: it must never be had at two prices.
package modelprovider
