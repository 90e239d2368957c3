// Package reach determines which objects another one selects by their labels and their
// namespaces, rather than by their names.
//
// It must never read anything by itself: the manager and the console ask it about objects
// in their caches, and kubectl budget about those of a file.
package reach
