// Package reach determines which objects another one selects, beyond those that it names:
// by their labels and their namespaces.
//
// It must never read anything by itself: it is asked by the manager and by the console, of
// their caches, and by kubectl budget, of a file.
package reach
