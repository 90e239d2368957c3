// Package refill tells enforcers when the configuration is complete that the controllers
// put into an empty Redis, object by object.
//
// A configuration that is lost is restored as a whole, where a manager has a copy of it:
// see recovery. Where none has, because all managers started anew with Redis, the
// controllers put every document again. Until all are there, what an enforcer does not
// find may only be late, and is no reason to call a credential unknown.
package refill
