package verdict

import (
	"fmt"
	"strings"

	"github.com/bursar-dev/bursar/api/nearest"
)

// named is how many names DidYouMeanOr lists.
const named = 3

// DidYouMeanOr asks whether the nearest of the known names was meant. If none is near, it lists
// the known names after lead.
func DidYouMeanOr(lead, name string, known []string) string {
	if question := nearest.DidYouMean(name, known); question != "" {
		return question
	}
	return lead + Some(known, named)
}

// Some lists the first of the names, most at most, and says how many more there are.
func Some(names []string, most int) string {
	words := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	return words
}

// Count is a number of what a noun names: "1 key", "2 keys".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
