package webhook

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClip(t *testing.T) {
	short, long := "spec.tenant: short", strings.Repeat("ä", maxWarning+1)
	got := clip([]string{short, long})
	if got[0] != short {
		t.Errorf("a short warning is %q", got[0])
	}
	if n := utf8.RuneCountInString(got[1]); n != maxWarning || !strings.HasSuffix(got[1], "ä...") {
		t.Errorf("a long warning has %d characters, want %d: %q", n, maxWarning, got[1])
	}
	many := make([]string, maxWarnings+1)
	if got := clip(many); len(got) != maxWarnings || got[maxWarnings-1] == "" {
		t.Errorf("of %d warnings %d are left, the last %q", len(many), len(got), got[len(got)-1])
	}
	if got := clip(many[:maxWarnings]); len(got) != maxWarnings || got[maxWarnings-1] != "" {
		t.Errorf("of %d warnings %d are left", maxWarnings, len(got))
	}
}
