// Package feed turns news from Redis into work for the controllers: a tenant that
// crossed a rung, an enforcer that came, went, or runs another revision.
//
// It says which objects to reconcile, and must never decide anything about them.
// Messages may be lost, so it also looks at the enforcers periodically, and
// controllers reconcile their objects periodically.
package feed
