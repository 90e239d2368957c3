// Package server is the console's HTTP: ports, time-outs, what every answer says to browsers,
// logs, metrics, traces, and what Kubernetes asks.
package server
