// Package issuerclient is how all programs make requests to issuers of tokens over HTTPS:
// which certificates they trust, how long they wait, how much they read, and which redirects
// they refuse.
//
// Its errors say what was requested and what was wrong with the answer, and quote nothing of
// it.
package issuerclient
