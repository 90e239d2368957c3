// Package collector takes in OpenTelemetry's spans by OTLP over HTTP, for tests to see
// what is sent.
package collector
