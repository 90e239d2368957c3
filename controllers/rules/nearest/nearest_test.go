package nearest_test

import (
	"testing"

	"github.com/bursar-dev/bursar/controllers/rules/nearest"
)

// TestDidYouMeanOr: the nearest name is asked for, and else all names are told.
func TestDidYouMeanOr(t *testing.T) {
	known := []string{"gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5"}
	for name, want := range map[string]string{
		"gpt-4o-mni":                `; did you mean "gpt-4o-mini"?`,
		"GPT-4o":                    `; did you mean "gpt-4o"?`,
		"openai/gpt-4o":             `; did you mean "gpt-4o"?`,
		"claude-sonnet-4-5-2025092": `; did you mean "claude-sonnet-4-5"?`,
		"mistral":                   `; it has gpt-4o, gpt-4o-mini, claude-sonnet-4-5`,
	} {
		if got := nearest.DidYouMeanOr("; it has ", name, known); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}
