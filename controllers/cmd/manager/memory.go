package main

import (
	"os"
	"runtime/debug"
)

// heapPercent is how much, in percent of what lives, may be allocated before the garbage
// collector runs. What lives in a manager is all objects, and for long: Go's own 100 percent
// would take as much memory again for garbage.
const heapPercent = 50

// collectEarly has the garbage collector keep to heapPercent, unless GOGC says otherwise.
func collectEarly() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(heapPercent)
	}
}
