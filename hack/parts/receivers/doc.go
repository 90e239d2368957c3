// Package receivers runs receivers of alerts, on loopback, for tests and the dev stack:
// a real SMTP server, with TLS and AUTH, and a receiver of webhooks, with TLS. Both keep
// what they get, and refuse it when they are told to.
package receivers
