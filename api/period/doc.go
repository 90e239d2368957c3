// Package period cuts time into the periods of limits.
//
// A period is a pure function of an instant, a time zone and a calendar: there
// is no job that resets a counter, and no clock in this package. Every instant
// lies in exactly one period of each kind.
package period
