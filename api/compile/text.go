package compile

import (
	"strings"
	"unicode"
)

// hasControls reports whether a text has control characters other than the allowed ones.
// The CRDs refuse such texts, but objects may be older than the CRDs' rules, and Postgres
// refuses a NUL.
func hasControls(text, allowed string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune(allowed, r) })
}
