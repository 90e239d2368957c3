// Package chart holds the Helm chart in config/chart against the kustomizations in config, and
// both against a real API server.
package chart
