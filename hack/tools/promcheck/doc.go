// Package promcheck checks that the alerts and the dashboard in config use metrics that
// Bursar has, with Prometheus' own parser. It is a module of its own, because Prometheus
// is large and the product does not need it.
package promcheck
