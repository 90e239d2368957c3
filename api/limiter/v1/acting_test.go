package limiterv1_test

import (
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

func TestMatches(t *testing.T) {
	for name, tc := range map[string]struct {
		pattern, name string
		want          bool
	}{
		"as it is":                               {"ana", "ana", true},
		"another":                                {"ana", "anabel", false},
		"in another case":                        {"ana", "Ana", false},
		"any":                                    {"*", "ana", true},
		"what it begins with":                    {"shop-*", "shop-7", true},
		"all that it begins with":                {"shop-*", "shop-", true},
		"less than it begins with":               {"shop-*", "shop", false},
		"a domain":                               {"*@acme.example", "ana@acme.example", true},
		"a domain that ends alike":               {"*@acme.example", "ana@notacme.example", false},
		"a domain below":                         {"*@acme.example", "ana@acme.example.eve.example", false},
		"both ends":                              {"team-*-bot", "team-x-bot", true},
		"both ends, which may not overlap":       {"ab*ba", "aba", false},
		"a character that others give a meaning": {"a.a", "ana", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := limiterv1.Matches([]string{"nobody", tc.pattern}, tc.name); got != tc.want {
				t.Errorf("Matches(%q, %q) = %t", tc.pattern, tc.name, got)
			}
		})
	}
	if limiterv1.Matches(nil, "ana") {
		t.Error("no pattern matches")
	}
}
