package nearest

import (
	"fmt"
	"slices"
	"strings"
)

// DidYouMean is the question whether the nearest of the known names was meant, to be put
// after what is wrong; empty where none is near.
func DidYouMean(name string, known []string) string {
	if near := Name(name, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// Name is the known name that is most like the given one; empty where none is like it.
func Name(name string, known []string) string {
	best, least := "", farthest(name)+1
	for _, other := range slices.Sorted(slices.Values(known)) {
		if other == name {
			continue
		}
		if d := unlikeness(name, other, least); d < least {
			best, least = other, d
		}
	}
	return best
}

// farthest is how many edits make a name another one that was not meant.
func farthest(name string) int { return max(1, min(3, len(name)/3)) }

// unlikeness is how many edits make one name of another, as far as they are fewer than enough.
// Names that differ in their case, in what is before a slash, or in the version after the last
// hyphen alone are one edit apart.
func unlikeness(name, other string, enough int) int {
	a, b := strings.ToLower(name), strings.ToLower(other)
	if a == b || Base(a) == Base(b) || strings.HasPrefix(a, b+"-20") || strings.HasPrefix(b, a+"-20") {
		return 1
	}
	if longer := len([]rune(a)) - len([]rune(b)); max(longer, -longer) >= enough {
		return enough
	}
	return distance(a, b)
}

// Base is a model's name without the provider before it.
func Base(name string) string { return name[strings.LastIndex(name, "/")+1:] }

// distance is the optimal string alignment distance (Damerau-Levenshtein, with no substring
// edited twice): the number of characters to insert, delete, replace or swap with the next.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	before, last, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			changed := 1
			if x[i-1] == y[j-1] {
				changed = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+changed)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(y)]
}
