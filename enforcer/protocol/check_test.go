package protocol_test

import (
	"testing"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// TestCheckPaths: every protocol has something that costs nothing.
func TestCheckPaths(t *testing.T) {
	for _, p := range protocol.Protocols() {
		if protocol.CheckPath(p) == "" {
			t.Errorf("%s has none", p.Name())
		}
	}
}
