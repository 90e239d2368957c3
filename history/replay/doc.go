// Package replay determines what would have happened to past calls under other limits:
// it runs them, in the order in which they were admitted, against a tenant's document, by
// the limiter's rules.
//
// It is a pure function of the document and the calls, and keeps of these only the ones
// that are open, so that a week of a busy tenant can stream through it.
//
// What it cannot know, it takes to be as favourable to the calls as it may be: buckets
// begin full, a call takes from them the tokens that it used rather than those it might
// have used, and what was settled counts towards the Trip rung a second later. Tokens that a
// call held and did not use may have flowed in again while it was open, and the limiter gave
// them back at its end all the same, for others to use: so a bucket of tokens fills up
// beyond its capacity while calls are open, by as much again for each. So under
// the limits that were in force nothing is refused that was admitted. It knows of no
// other model than the one that was called: the Downgrade rung, virtual models and
// fallbacks are not replayed.
package replay
