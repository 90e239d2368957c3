package limiterv1

import (
	"slices"
	"strings"
)

// ActFor is whom of its own tenant a credential may call for, beside its own user.
type ActFor struct {
	// Users are patterns (Matches) of the users that it may name; at least one.
	Users []string `json:"users"`
	// Tiers are the tiers that it may name beside its own.
	Tiers []string `json:"tiers,omitempty"`
	// Groups are patterns of the groups that it may name beside its own.
	Groups []string `json:"groups,omitempty"`
}

// Matches reports whether a name is one of the patterns: "*" in a pattern stands for any
// text, and stands in it once at most.
func Matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		prefix, suffix, any := strings.Cut(pattern, "*")
		if !any {
			return name == pattern
		}
		return len(name) >= len(prefix)+len(suffix) && strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix)
	})
}
