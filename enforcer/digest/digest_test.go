package digest_test

import (
	"testing"

	"github.com/bursar-dev/bursar/enforcer/digest"
)

// TestOf: other parts have another digest, also where together they are the same text.
func TestOf(t *testing.T) {
	seen := map[digest.Digest]bool{}
	for _, parts := range [][]string{{}, {""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}, {"b", "a"}} {
		var raw [][]byte
		for _, part := range parts {
			raw = append(raw, []byte(part))
		}
		seen[digest.Of(raw...)] = true
	}
	if len(seen) != 7 {
		t.Errorf("%d digests of 7 lists of parts", len(seen))
	}
}

// TestDigestsStay: they stand in Redis, where enforcers of another version find them.
func TestDigestsStay(t *testing.T) {
	const want = "39cdec0fbc4430cf84de448f5ec60430f948cb3581c85ffe9c279b5fdfd41812"
	if got := digest.Of([]byte("acme"), []byte("key")).String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
