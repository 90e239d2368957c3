package main

import (
	"os"
	"runtime/debug"
)

// heapPercent is how much, in percent of the live heap, may be allocated before the garbage
// collector runs. The live heap of a manager is all objects, for long: with Go's default of
// 100, garbage would take as much memory again.
const heapPercent = 50

// collectEarly sets the garbage collector to heapPercent, unless GOGC is set.
func collectEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapPercent)
	}
}
