package nearest

import (
	"fmt"
	"slices"
	"strings"
)

// DidYouMean asks whether the nearest of the known names was meant, for the end of an error
// message; empty if none is near.
func DidYouMean(name string, known []string) string {
	if near := Name(name, known); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// Name is the known name that is nearest to the given one; empty if none is near.
func Name(name string, known []string) string {
	best, least := "", farthest(name)+1
	m := measure{name: strings.ToLower(name)}
	for _, other := range slices.Sorted(slices.Values(known)) {
		if other == name {
			continue
		}
		if d := m.unlikeness(other, least); d < least {
			best, least = other, d
		}
	}
	return best
}

// farthest is the highest number of edits that a misspelt name may need.
func farthest(name string) int { return max(1, min(3, len(name)/3)) }

// measure compares other names with a name.
type measure struct {
	// name is in lower case.
	name string
	// x and y are the characters of the two names, and the rows those of their table of distances.
	x, y              []rune
	before, last, row []int
}

// unlikeness is how many edits turn one name into another, if that is less than enough. Names
// that differ only in their case, in what is before a slash, or in the version after the last
// hyphen are one edit apart.
func (m *measure) unlikeness(other string, enough int) int {
	a, b := m.name, strings.ToLower(other)
	if a == b || Base(a) == Base(b) || isVersionOf(a, b) || isVersionOf(b, a) {
		return 1
	}
	if longer := len([]rune(a)) - len([]rune(b)); max(longer, -longer) >= enough {
		return enough
	}
	m.prepare(a, b)
	return m.distance(enough)
}

// isVersionOf reports whether the name is the other one followed by a year.
func isVersionOf(name, other string) bool {
	version, ok := strings.CutPrefix(name, other)
	return ok && strings.HasPrefix(version, "-20")
}

// Base is a model's name without the provider before it.
func Base(name string) string { return name[strings.LastIndex(name, "/")+1:] }

// prepare makes the table for two names.
func (m *measure) prepare(a, b string) {
	m.x, m.y = appendRunes(m.x[:0], a), appendRunes(m.y[:0], b)
	columns := len(m.y) + 1
	m.before, m.last, m.row = slices.Grow(m.before, columns)[:columns], slices.Grow(m.last, columns)[:columns], slices.Grow(m.row, columns)[:columns]
	for j := range m.last {
		m.last[j] = j
	}
}

func appendRunes(to []rune, s string) []rune {
	for _, r := range s {
		to = append(to, r)
	}
	return to
}

// distance is the optimal string alignment distance (Damerau-Levenshtein, with no substring
// edited twice), if that is less than enough: the number of characters to insert, delete,
// replace or swap with the next. Callers choose how long a name is, so distance only compares
// what is less than enough characters apart, and stops once there are enough edits.
func (m *measure) distance(enough int) int {
	x, y, before, last, row := m.x, m.y, m.before, m.last, m.row
	for i := 1; i <= len(x); i++ {
		from, to := max(1, i-enough+1), min(len(y), i+enough-1)
		row[from-1] = i // or more than enough, if it is not the first
		least := i
		for j := from; j <= to; j++ {
			changed := 1
			if x[i-1] == y[j-1] {
				changed = 0
			}
			row[j] = min(row[j-1]+1, last[j-1]+changed)
			if j < i+enough-1 {
				row[j] = min(row[j], last[j]+1)
			}
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least >= enough {
			return enough
		}
		before, last, row = last, row, before
	}
	return min(last[len(y)], enough)
}
