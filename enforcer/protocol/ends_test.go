package protocol

import (
	"fmt"
	"strings"
	"testing"
)

// TestWhatIsRememberedIsBounded: however many answers end, and however many tools are called,
// in a stream, no more is remembered of them than was asked for, or than a constant.
func TestWhatIsRememberedIsBounded(t *testing.T) {
	chat, tools := endsOf(2), vercelSeen{}
	for i := range 2 * maxInputs {
		chat.note(int64(i))
		tools.part(fmt.Appendf(nil, `{"type":"tool-input-start","id":"call-%d","toolName":"f"}`, i))
	}
	if !chat.all() || len(chat.indexes) != 2 {
		t.Errorf("of two answers, %d are remembered", len(chat.indexes))
	}
	if len(tools.inputs) != maxInputs {
		t.Errorf("%d calls of tools are remembered, want %d", len(tools.inputs), maxInputs)
	}
	long := vercelSeen{}
	long.part([]byte(`{"type":"tool-input-start","id":"` + strings.Repeat("x", maxName+1) + `","toolName":"f"}`))
	if len(long.inputs) != 0 {
		t.Error("a name of any length is remembered")
	}
}
