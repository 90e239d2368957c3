// Package audit compares what the limiter counts as spent with what the ledger says, and
// what it counts as held with what open calls hold, for every tenant, user, limit and
// period, and reports where they differ. It compares the sums of what was used with the ledger,
// too.
//
// It must never report a false difference: a call may move from the limiter to the ledger
// while both are read. And it must never write a counter: where the truth is known to be
// elsewhere, and where other money is held than open calls hold, it has the tenant counted
// anew. A difference of what was spent is for people to look at.
package audit
