// Package receivers runs what alerts are sent to, on loopback, for tests and the dev
// stack: a real SMTP server, with TLS and AUTH, and a receiver of webhooks, with TLS.
// Both keep what they are given, and refuse when they are told to.
package receivers
