package main

import (
	"os"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// TestPodLivesAsLongAsItsShutdown: the pod is not killed before the enforcer has settled
// its calls.
func TestPodLivesAsLongAsItsShutdown(t *testing.T) {
	manifest, err := os.ReadFile("../../../config/enforcer/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	seconds := func(pattern string) time.Duration {
		t.Helper()
		found := regexp.MustCompile(pattern).FindSubmatch(manifest)
		if found == nil {
			t.Fatalf("config/enforcer/deployment.yaml has no %s", pattern)
		}
		n, err := strconv.Atoi(string(found[1]))
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(n) * time.Second
	}
	options, err := parseOptions(nil, func(string) string { return "redis://x" })
	if err != nil {
		t.Fatal(err)
	}
	lives := seconds(`terminationGracePeriodSeconds: (\d+)`)
	needs := seconds(`--shutdown-delay=(\d+)s`) + options.shutdownGrace + cutGrace + settleGrace + flushGrace + leaveGrace
	if lives < needs {
		t.Errorf("the pod lives %s after it is told to end, and needs up to %s", lives, needs)
	}
}
