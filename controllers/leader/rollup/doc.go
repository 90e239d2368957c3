// Package rollup keeps the sums of what was used up to date for as long as the manager leads: it
// makes those of each user, a quarter of an hour at a time, adds what has changed to them, and,
// day by day, what is from before there were any.
//
// Sums are right without it, as what is not rolled up is read beside them; reading only takes
// longer. It must never hold up the ledger for long.
package rollup
