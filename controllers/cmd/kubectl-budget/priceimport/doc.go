// Package priceimport makes a ModelProvider from a JSON table of prices, in the format
// that models.dev or LiteLLM publishes. Implausible rows are rejected, each with its
// reason, and nothing is guessed in their place.
package priceimport
