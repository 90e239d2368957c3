// Package refill tells enforcers when the configuration is complete that the controllers
// put into an empty Redis, object by object.
//
// A lost configuration is restored as a whole if a manager has a copy of it: see
// recovery. If none has, because all managers were restarted together with Redis, the
// controllers put every document again. Until all are there, a document that an enforcer
// does not find may only be late, and is no reason to call a credential unknown.
package refill
