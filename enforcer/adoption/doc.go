// Package adoption ends what enforcers that have died leave behind: it charges
// their open calls in full, and takes their settled ones to the ledger.
//
// It must never take for dead who could not be heard: only who was silent while
// others were heard is. And as anybody may adopt, several at once and over again,
// no step may have an effect twice.
package adoption
