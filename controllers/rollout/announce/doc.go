// Package announce tells of what happened to objects in Kubernetes Events: each turn
// once, whichever manager finds it and however often.
//
// An Event is told before what it follows from is written, such as a status, and its
// name is made of the turn: a manager that dies between the two leaves a turn behind
// that the next one finds, and tells under the same name. What has turned back before
// the next one looks is told of as far as the first one got.
//
// An Event must never be told after that write, because nobody would tell it in the
// place of a manager that dies; nor of a status that has been written over since.
package announce
