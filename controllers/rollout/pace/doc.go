// Package pace shares out the writes of statuses that differ in figures alone, so
// that ten thousand busy budgets cost the API server no more than it can bear.
//
// It must never hold up what has changed in more than figures.
package pace
