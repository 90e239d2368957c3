// Package traced makes a span of each reconcile, where there are traces.
package traced
