package verdict_test

import (
	"testing"

	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// TestDidYouMeanOr: the nearest name is asked for, and else all names are told.
func TestDidYouMeanOr(t *testing.T) {
	known := []string{"gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", "claude-haiku-4-5"}
	for name, want := range map[string]string{
		"gpt-4o-mni": `; did you mean "gpt-4o-mini"?`,
		"mistral":    `; it has gpt-4o, gpt-4o-mini, claude-sonnet-4-5 and 1 more`,
	} {
		if got := verdict.DidYouMeanOr("; it has ", name, known); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
