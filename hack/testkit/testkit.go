// Package testkit is what the tests of all packages share: how they fail, and how they
// wait. Package testkit/objects makes the resources that tests apply.
//
// It must never be imported by what users run.
package testkit

import "time"

const (
	// timeout is how long Eventually and EventuallySucceeds wait. It is enough for a busy machine:
	// what takes longer is a fault.
	timeout = 30 * time.Second
	// pause is how often they look.
	pause = 5 * time.Millisecond
)

// T is a test, a benchmark, or one run of a property test.
type T interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Must fails the test when there is an error.
func Must(t T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Eventually waits until isSo returns true, and fails the test if it does not in time.
// what describes it, such as "the call is in the ledger".
func Eventually(t T, what string, isSo func() bool) {
	t.Helper()
	Within(t, timeout, what, isSo)
}

// Within is Eventually with a time of the test's own, for what takes long by design.
func Within(t T, long time.Duration, what string, isSo func() bool) {
	t.Helper()
	for deadline := time.Now().Add(long); !isSo(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out after %s waiting until %s", long, what)
		}
	}
}

// EventuallySucceeds waits until try returns no error, and fails the test with its last
// one when it does not in time.
func EventuallySucceeds(t T, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(timeout); ; time.Sleep(pause) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("timed out after %s waiting until %s: %v", timeout, what, err)
		}
	}
}
