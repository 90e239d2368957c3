package main

import (
	"io/fs"
	"math"
	"runtime/debug"
	"strconv"
	"strings"
)

const (
	// requestMemoryPart is which part of the memory limit the bodies of requests may take. A
	// request takes up to twice its body, as it is rewritten for its provider.
	requestMemoryPart = 4
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
