// Package server is the console's HTTP server: ports, time-outs, the header fields for
// browsers, logs, metrics, traces, and probes.
package server
