// Package config is what an enforcer runs: the compiled configuration, kept fresh
// from Redis and read by every call without a lock.
//
// It keeps the last good configuration when Redis is lost, and what it had of a
// document that it cannot read. It must never report a revision that it does not
// run in full, and never write configuration.
package config
