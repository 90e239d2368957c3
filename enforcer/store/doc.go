// Package store keeps the limiter's state in Redis. Each operation is one script,
// in a .lua file of its own, and one round trip.
//
// It decides nothing but what the scripts decide: what is checked, and what the
// answer means, is package admission's business. It works on one Redis, on
// Sentinel and on Cluster, as all keys of an operation share a hash tag.
package store
