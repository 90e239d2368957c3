// Package reach determines which objects another one selects, beyond those that it names:
// by their labels and their namespaces.
//
// It must never read anything by itself: it is asked by the manager, of its cache, and by
// kubectl budget, of a file.
package reach
