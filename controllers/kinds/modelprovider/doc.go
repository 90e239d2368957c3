// Package modelprovider reconciles ModelProviders: it programs the document of a
// provider and its prices into Redis, and reports the rollout in the status.
//
// A model belongs to one provider: it must never have two prices.
package modelprovider
