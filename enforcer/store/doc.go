// Package store keeps the limiter's state in Redis. Each operation is one script,
// in a .lua file of its own, and one round trip; calls that come at the same time share
// both.
//
// It decides nothing beyond what the scripts decide: package admission chooses what is
// checked, and interprets the reply. It works on one Redis, on
// Sentinel and on Cluster, as all keys of an operation share a hash tag.
package store
