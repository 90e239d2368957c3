// Package feed turns news from Redis into work for the controllers: a tenant that
// crossed a rung, an enforcer that came, went, or runs another revision.
//
// It says which objects to look at, and must never decide anything about them.
// Messages may be lost: it looks at the enforcers by itself now and then, and
// controllers look at their objects by themselves, too.
package feed
