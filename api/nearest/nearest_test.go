package nearest_test

import (
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/nearest"
)

// TestDidYouMean: the nearest name is asked for, if one is near.
func TestDidYouMean(t *testing.T) {
	known := []string{"gpt-4o", "gpt-4o-mini", "claude-sonnet-4-5", strings.Repeat("long", 20)}
	for name, want := range map[string]string{
		"gpt-4o-mni":                `; did you mean "gpt-4o-mini"?`,
		"gpt-4o-miniature":          "",
		"gpt4o":                     `; did you mean "gpt-4o"?`,
		"GPT-4o":                    `; did you mean "gpt-4o"?`,
		"openai/gpt-4o":             `; did you mean "gpt-4o"?`,
		"cluade-sonnet-4-5":         `; did you mean "claude-sonnet-4-5"?`,
		"claude-sonnet-4-5-2025092": `; did you mean "claude-sonnet-4-5"?`,
		"mistral":                   "",
	} {
		if got := nearest.DidYouMean(name, known); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
