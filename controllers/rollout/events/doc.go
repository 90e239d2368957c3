// Package events records what happened to objects as Kubernetes Events: each transition
// once, whichever manager finds it and however often.
//
// An Event is recorded before the status that shows the transition is written, and its name
// is made from the transition. If a manager dies between the two writes, the next one finds
// the same transition and records it under the same name. If the transition was reversed by
// then, only what the first manager recorded is there.
//
// An Event must never be recorded after that write: if the manager died in between, no other
// would record it. Nor may it come from a status that has been overwritten since.
package events
