// Package reach says which objects another one is about beyond those that it names: by
// their labels, and by the namespaces that they are in.
//
// It must never read anything by itself: it is asked by the manager, of its cache, and by
// kubectl budget, of a file.
package reach
