// Package tracing sends spans of both planes where the standard environment variables of
// OpenTelemetry say, by OTLP over HTTP. Without them there is no tracer, and code without
// a tracer must do no work for spans.
//
// A span must never contain text of a prompt or an answer, nor a key.
package tracing
