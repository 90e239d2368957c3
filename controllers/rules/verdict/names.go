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
