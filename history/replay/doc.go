// Package replay determines what would have happened to past calls under other limits: it
// runs them, in the order in which they were admitted, against a tenant's document, by the
// limiter's rules.
//
// It is a pure function of the document and the calls, and keeps only the calls that are
// open, so that a week of a busy tenant can stream through it.
//
// Where it cannot know something, it assumes what is most favourable to the calls: buckets
// begin full, a call takes the tokens that it used rather than those that it might have
// used, and costs count towards the Trip rung a second after the call was settled. While a
// call is open, tokens may flow back into the bucket that the call holds but does not use,
// and at its end the limiter gives these back all the same, for others to use. So each open
// call lets a bucket of tokens fill beyond its capacity, by as much again. As a result, the
// limits that were in force refuse nothing that was admitted.
//
// It knows only the model that was called: the Downgrade rung, virtual models and fallbacks
// are not replayed.
package replay
