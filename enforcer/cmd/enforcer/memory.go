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
	// requestMemoryPart: one part in so many of the memory limit is for the bodies of requests. A
	// request takes up to twice its body, because it is rewritten for its provider.
	requestMemoryPart = 4
	// heapFloorPart: the heap may fill one part in so many of the memory limit before the garbage
	// collector begins.
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

// leaveHeap makes the garbage collector begin when the heap has grown to floor bytes, or has doubled
// if that is more, unless GOGC is set. The live heap of an enforcer is some ten megabytes while few
// answers stream: without a floor, the collector would run again after every ten megabytes.
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
	// leastHeap is the smallest live heap for which Go's collector does its sums: at 100 percent, it
	// begins at this size even if less is live.
	leastHeap = 4 << 20
	// percentStep is the step of percentages. To set one stops the program for a moment, so small changes
	// are ignored.
	percentStep = 25
)

// percentFor is how much may be allocated before the next collection, in percent of the live heap, so
// that the heap then reaches the floor, or twice the live heap if that is more.
func percentFor(live, floor int64) int {
	live = max(live, leastHeap)
	percent := 100 * max(floor-live, live) / live
	return int(percent / percentStep * percentStep)
}

// afterEachCollection calls do after each garbage collection, in the goroutine of finalizers.
func afterEachCollection(do func()) {
	// Nothing refers to this object, so the next collection runs its finalizer.
	runtime.SetFinalizer(new([2]*byte), func(*[2]*byte) {
		do()
		afterEachCollection(do)
	})
}
