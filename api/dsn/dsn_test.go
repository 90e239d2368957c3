package dsn_test

import (
	"testing"

	"github.com/bursar-dev/bursar/api/dsn"
)

func TestHasPassword(t *testing.T) {
	for raw, want := range map[string]bool{
		"redis://host:6379/0":            false,
		"redis://user@host:6379/0":       false,
		"redis://:secret@host:6379/0":    true,
		"redis://user:@host:6379/0":      true,
		"postgres://u:secret@h:5432/b":   true,
		"host=h user=u password=ignored": false,
		"://":                            false,
		"":                               false,
	} {
		if got := dsn.HasPassword(raw); got != want {
			t.Errorf("HasPassword(%q) = %v, want %v", raw, got, want)
		}
	}
}
