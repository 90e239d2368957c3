// Package events records what happened to objects as Kubernetes Events: each turn once,
// whichever manager finds it and however often.
//
// An Event is recorded before what it follows from is written, such as a status, and
// its name is made of the turn: a manager that dies between the two leaves a turn behind
// that the next one finds, and records under the same name. What has turned back before
// the next one looks is recorded as far as the first one got.
//
// An Event must never be recorded after that write, because nobody would record it in
// the place of a manager that dies; nor of a status that has been written over since.
package events
