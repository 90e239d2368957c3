// Package chart compares what the Helm chart in config/chart renders with the kustomizations in
// config, and checks both with a real API server.
package chart
