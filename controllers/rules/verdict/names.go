package verdict

import (
	"fmt"
	"strings"
)

// Some names the first of the names, so many at the most, and says how many more there are.
func Some(names []string, most int) string {
	words := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		words += fmt.Sprintf(" and %d more", more)
	}
	return words
}

// Count is how many there are of what a noun names: "1 key", "2 keys".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
