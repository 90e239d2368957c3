package limiterv1

import (
	"slices"
	"strings"
)

// ActFor is the users of its own tenant that a credential may call for, apart from its
// own user.
type ActFor struct {
	// Users are patterns (Matches) of the users that it may name; at least one.
	Users []string `json:"users"`
	// Tiers are the tiers that it may name, apart from its own.
	Tiers []string `json:"tiers,omitempty"`
	// Groups are patterns of the groups that it may name, apart from its own.
	Groups []string `json:"groups,omitempty"`
}

// Matches reports whether a name matches one of the patterns. A pattern has at most one
// "*", which stands for any text.
func Matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		prefix, suffix, any := strings.Cut(pattern, "*")
		if !any {
			return name == pattern
		}
		return len(name) >= len(prefix)+len(suffix) && strings.HasPrefix(name, prefix) && strings.HasSuffix(name, suffix)
	})
}
