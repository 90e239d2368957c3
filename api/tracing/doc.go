// Package tracing sends spans of both planes where the standard environment variables of
// OpenTelemetry say, by OTLP over HTTP. Without them there is no tracer, and whoever has
// none must do nothing for it.
//
// A span must never have what a prompt, an answer or a key says.
package tracing
