// Package rollup keeps the sums of what was used up to date for as long as the manager leads. It
// makes the sums of each user, a quarter of an hour at a time, adds what has changed to the others,
// and makes missing sums: of calls from before there were sums, and of tenants whose time zone was
// changed.
//
// Answers are right without it, because what is not rolled up is read beside the sums; reading only
// takes longer. It must never hold up the ledger for long.
package rollup
