// Package issuerclient is how all programs ask issuers of tokens over HTTPS: whom they trust,
// how long they wait, how much they read, and where they do not go.
//
// Its errors say what was asked and what was wrong with the answer, and quote nothing of it.
package issuerclient
