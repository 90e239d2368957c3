// Package promcheck holds the alerts and the dashboard in config against what Bursar
// measures, with Prometheus' own parser. It is a module of its own, as Prometheus is
// large and the product does not need it.
package promcheck
