package store_test

import (
	"testing"

	"github.com/bursar-dev/bursar/enforcer/store"
)

// TestConstants: scripts have the values of their constants in the place of the names, and nothing else
// is changed.
func TestConstants(t *testing.T) {
	const script = `
local SIZE = 8 -- bytes
local PACE = 0.9
local TWICE = 2 * SIZE
local now, TIME = TIME_OF(SIZE), 'SIZE_'
return TWICE * SIZE + PACE`
	const want = `



local now, TIME = TIME_OF((8)), 'SIZE_'
return (2 * (8)) * (8) + (0.9)`
	if got := store.WithConstants(script); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
