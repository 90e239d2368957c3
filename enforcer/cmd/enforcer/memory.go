package main

import (
	"io/fs"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

const (
	// requestMemoryPart is which part of the memory limit the bodies of requests may take. A
	// request takes up to twice its body, as it is rewritten for its provider.
	requestMemoryPart = 4
	// heapFloorPart is which part of the memory limit the heap may fill before the garbage
	// collector first looks at it.
	heapFloorPart = 8
	// unlimited stands for the memory limit where there is none.
	unlimited = 512 << 20
)

// limitMemory makes the garbage collector keep to the container's memory limit, unless
// GOMEMLIMIT names another, and returns the limit.
func limitMemory(cgroup fs.FS) int64 {
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		return limit // that of GOMEMLIMIT
	}
	limit, ok := containerLimit(cgroup)
	if !ok {
		return unlimited
	}
	limit = limit / 10 * 9 // the rest is for what the collector does not count
	debug.SetMemoryLimit(limit)
	return limit
}

// containerLimit is the container's memory limit, by version 2 of cgroups or version 1.
func containerLimit(cgroup fs.FS) (limit int64, ok bool) {
	for _, file := range []string{"memory.max", "memory/memory.limit_in_bytes"} {
		content, err := fs.ReadFile(cgroup, file)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
		return limit, err == nil && limit > 0 && limit < 1<<50 // larger ones, and "max", are none
	}
	return 0, false
}

// leaveHeap has the garbage collector begin when the heap has grown to floor bytes, or has doubled
// if that is more, unless GOGC says otherwise. What lives in an enforcer is some ten megabytes as
// long as few answers stream: without a floor, it would be collected every ten megabytes again.
func leaveHeap(floor int64) {
	if os.Getenv("GOGC") != "" {
		return
	}
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	percent := -1
	adjust := func() {
		metrics.Read(live)
		if want := percentFor(int64(live[0].Value.Uint64()), floor); want != percent {
			percent = want
			debug.SetGCPercent(percent)
		}
	}
	adjust()
	afterEachCollection(adjust)
}

const (
	// leastHeap is the heap at which the collector begins at 100 percent, however little lives.
	leastHeap = 4 << 20
	// percentStep is what percentages are multiples of: to set one stops the program for a moment.
	percentStep = 25
)

// percentFor is how much, in percent of what lives, may be allocated before the next collection,
// so that the heap is as large as the floor then, or twice as large as what lives.
func percentFor(live, floor int64) int {
	live = max(live, leastHeap)
	percent := 100 * max(floor-live, live) / live
	return int(percent / percentStep * percentStep)
}

// afterEachCollection does something after each garbage collection, off everybody's path.
func afterEachCollection(do func()) {
	// Nobody refers to the sign: the collection finds that, and runs this.
	runtime.SetFinalizer(new([2]*byte), func(*[2]*byte) {
		do()
		afterEachCollection(do)
	})
}
