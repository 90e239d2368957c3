package nearest_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

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

// TestNamesAFewEditsAway: up to three edits of a long name lead to it, and no more than that, wherever
// in the name they are.
func TestNamesAFewEditsAway(t *testing.T) {
	known := []string{strings.Repeat("abcdefghij", 4)}
	rapid.Check(t, func(t *rapid.T) {
		edits := rapid.IntRange(1, 6).Draw(t, "edits")
		name := []byte(known[0])
		for i := range edits { // never two at one place
			name[len(name)*i/edits+rapid.IntRange(0, len(name)/edits-1).Draw(t, "at")] = 'X'
		}
		want := ""
		if edits <= 3 {
			want = known[0]
		}
		if got := nearest.Name(string(name), known); got != want {
			t.Errorf("%s, %d edits away: got %q, want %q", name, edits, got, want)
		}
	})
}

// BenchmarkName looks for a name that is like none of a thousand, as long as a model's may be.
func BenchmarkName(b *testing.B) {
	for _, length := range []int{30, 128} {
		known := make([]string, 1000)
		for i := range known {
			known[i] = fmt.Sprintf("%04d%s", i, strings.Repeat("a", length-4))
		}
		name := strings.Repeat("z", length)
		b.Run(fmt.Sprint(length, " characters"), func(b *testing.B) {
			for b.Loop() {
				nearest.Name(name, known)
			}
		})
	}
}
