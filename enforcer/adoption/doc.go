// Package adoption ends the calls that dead enforcers have left: it charges their open
// calls in full, and writes their settled ones to the ledger.
//
// It must never declare an enforcer dead because Redis was unreachable: an enforcer is dead
// only if it was silent while Redis answered. Every enforcer may adopt, several at once and
// repeatedly, so every step is idempotent.
package adoption
