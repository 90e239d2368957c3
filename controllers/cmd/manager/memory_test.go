package main

import (
	"runtime/debug"
	"testing"
)

// TestGarbageIsCollectedEarly: GOGC has its way where it is set.
func TestGarbageIsCollectedEarly(t *testing.T) {
	for gogc, want := range map[string]int{"": heapPercent, "100": 70} {
		before := debug.SetGCPercent(70) // as Go would have set it by GOGC
		t.Setenv("GOGC", gogc)
		collectEarly()
		if got := debug.SetGCPercent(before); got != want {
			t.Errorf("GOGC is %q: garbage is collected at %d percent, want %d", gogc, got, want)
		}
	}
}
