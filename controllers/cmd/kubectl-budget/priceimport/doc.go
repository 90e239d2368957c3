// Package priceimport makes a ModelProvider of a table of prices in JSON, of the
// shape that models.dev or LiteLLM publishes. Rows that cannot be right are refused,
// each with its reason, and nothing is guessed in their place.
package priceimport
