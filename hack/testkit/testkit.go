// Package testkit is what the tests of all packages share: how they fail, and how they
// wait. Package testkit/objects makes the resources that tests apply.
//
// It must never be imported by what users run.
package testkit

import (
	"testing"
	"time"
)

const (
	// patience is how long Eventually and EventuallySucceeds wait. What takes longer on a
	// busy machine than it takes here is a fault.
	patience = 30 * time.Second
	// pause is how often they look.
	pause = 5 * time.Millisecond
)

// Must fails the test when there is an error.
func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Eventually waits until something is so, and fails the test when it is not in time.
// What names it, such as "the call is in the ledger".
func Eventually(t testing.TB, what string, isSo func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !isSo(); time.Sleep(pause) {
		if time.Now().After(deadline) {
			t.Fatalf("not so after %s: %s", patience, what)
		}
	}
}

// EventuallySucceeds waits until try returns no error, and fails the test with its last
// one when it does not in time.
func EventuallySucceeds(t testing.TB, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(pause) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not so after %s: %s: %v", patience, what, err)
		}
	}
}
