// Package config holds the compiled configuration that an enforcer applies, kept up to
// date from Redis and read by every call without a lock.
//
// It keeps the last good configuration when Redis is lost, and the previous version of a
// document that it cannot read. It must never report a revision that it has not applied
// in full, and never write configuration.
package config
