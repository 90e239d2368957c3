package protocol_test

import (
	"testing"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

func TestForm(t *testing.T) {
	for first, want := range map[string]protocol.Form{
		"": protocol.Undecided, "\r\n ": protocol.Undecided, "\xEF\xBB": protocol.Undecided, "\uFEFF": protocol.Undecided,
		"{": protocol.Object, "\n\n {": protocol.Object, "\uFEFF{": protocol.Object, "[": protocol.Object,
		"d": protocol.Undecided, "even": protocol.Undecided, "data:": protocol.Events, "\uFEFF\nevent: x": protocol.Events, ": wait": protocol.Events,
		"retry:1": protocol.Events, "id: 1": protocol.Events, "<html>": protocol.Neither, "date": protocol.Neither, "error: x": protocol.Neither,
	} {
		if got := protocol.FormOf([]byte(first)); got != want {
			t.Errorf("%q: got %d, want %d", first, got, want)
		}
	}
}
