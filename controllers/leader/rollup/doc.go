// Package rollup keeps the sums of what was used up to date for as long as the manager leads: it
// makes those of each user, a quarter of an hour at a time, adds what has changed to them, and makes
// those that there are not: of calls from before there were any, and of tenants whose time zone was
// changed.
//
// Sums are right without it, as what is not rolled up is read beside them; reading only takes
// longer. It must never hold up the ledger for long.
package rollup
