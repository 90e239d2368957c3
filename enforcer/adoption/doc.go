// Package adoption ends the calls that dead enforcers have left: it charges their open
// calls in full, and writes their settled ones to the ledger.
//
// It must never declare an enforcer dead because Redis was unreachable: only one that was
// silent while others were heard is dead. And since every enforcer may adopt, several at
// once and repeatedly, every step is idempotent.
package adoption
