package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// apiKey is an APIKey as the cluster has it.
func apiKey(t *testing.T, namespace, name string) (key v1alpha1.APIKey) {
	t.Helper()
	testkit.Must(t, api.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, &key))
	return key
}

// TestKeyRotate: a key is replaced in the cluster, and works on for the overlap; the new one is told
// once, on standard output. Then both are revoked.
func TestKeyRotate(t *testing.T) {
	namespace(t, "rotated")
	budget(t, "rotated")
	_, _, err := budgeted(t, "key", "create", "ci", "-n", "rotated", "--budget", "rotated", "--user", "ci", "--tier", "gerente", "--apply")
	testkit.Must(t, err)
	before := apiKey(t, "rotated", "ci")

	stdout, stderr, err := budgeted(t, "key", "rotate", "ci", "-n", "rotated", "--overlap", "7d")
	if err != nil || !keyPattern.MatchString(stdout) || keyPattern.MatchString(stderr) {
		t.Fatalf("error %v, printed %q, told %q", err, stdout, stderr)
	}
	after := apiKey(t, "rotated", "ci")
	sum := sha256.Sum256([]byte(strings.TrimSpace(stdout)))
	if after.Spec.SHA256 != hex.EncodeToString(sum[:]) || len(after.Spec.PreviousKeys) != 1 || after.Spec.PreviousKeys[0].SHA256 != before.Spec.SHA256 {
		t.Fatalf("got %+v of key %s, was %s", after.Spec, stdout, before.Spec.SHA256)
	}
	if left := time.Until(after.Spec.PreviousKeys[0].ExpiresAt.Time); left < 7*24*time.Hour-time.Minute || left > 7*24*time.Hour {
		t.Errorf("the key before ends after %s", left)
	}

	file := filepath.Join(t.TempDir(), "key")
	stdout, _, err = budgeted(t, "key", "rotate", "ci", "-n", "rotated", "--overlap", "0", "--key-file", file)
	written, readErr := os.ReadFile(file)
	if err != nil || readErr != nil || !keyPattern.Match(written) || stdout != "" {
		t.Fatalf("error %v and %v, wrote %q, printed %q", err, readErr, written, stdout)
	}
	if _, _, err := budgeted(t, "key", "revoke", "ci", "-n", "rotated", "--previous"); err != nil {
		t.Fatal(err)
	}
	if is := apiKey(t, "rotated", "ci"); len(is.Spec.PreviousKeys) > 0 || is.Spec.ExpiresAt != nil {
		t.Errorf("after revoke --previous: %+v", is.Spec)
	}
	if _, _, err := budgeted(t, "key", "revoke", "ci", "-n", "rotated"); err != nil {
		t.Fatal(err)
	}
	if is := apiKey(t, "rotated", "ci"); is.Spec.ExpiresAt == nil || is.Spec.ExpiresAt.After(time.Now()) {
		t.Errorf("after revoke: %+v", is.Spec)
	}
	ended := apiKey(t, "rotated", "ci")
	if _, _, err := budgeted(t, "key", "rotate", "ci", "-n", "rotated"); err == nil || !strings.Contains(err.Error(), "APIKey rotated/ci has ended") {
		t.Errorf("a key that was revoked is rotated: %v", err)
	}
	if is := apiKey(t, "rotated", "ci"); is.Spec.SHA256 != ended.Spec.SHA256 || len(is.Spec.PreviousKeys) > 0 {
		t.Errorf("a key that was revoked works again: %+v", is.Spec)
	}
	if _, _, err := budgeted(t, "key", "rotate", "cy", "-n", "rotated"); err == nil || err.Error() != `namespace rotated has no APIKey cy; did you mean "ci"?` {
		t.Errorf("of a key that is not there: %v", err)
	}
}

// TestKeyRotateForGit: an APIKey of a file, or of the cluster with --dry-run=client, is written changed,
// and the cluster is left as it is.
func TestKeyRotateForGit(t *testing.T) {
	namespace(t, "in-git")
	budget(t, "in-git")
	manifest, _, err := budgeted(t, "key", "create", "ci", "-n", "in-git", "--budget", "in-git", "--user", "ci", "--tier", "gerente", "--apply")
	testkit.Must(t, err)
	before := apiKey(t, "in-git", "ci")
	file := filepath.Join(t.TempDir(), "ci.yaml")
	testkit.Must(t, os.WriteFile(file, []byte(manifest), 0o600))
	for name, where := range map[string][]string{"a file": {"-f", file}, "the cluster": {"--dry-run=client", "-o", "yaml"}} {
		stdout, stderr, err := budgeted(t, append([]string{"key", "rotate", "ci", "-n", "in-git"}, where...)...)
		var key v1alpha1.APIKey
		if err != nil || yaml.UnmarshalStrict([]byte(stdout), &key) != nil || keyPattern.MatchString(stdout) || !keyPattern.MatchString(stderr) {
			t.Fatalf("of %s: error %v, told %q, printed\n%s", name, err, stderr, stdout)
		}
		sum := sha256.Sum256([]byte(keyPattern.FindString(stderr)))
		if key.Spec.SHA256 != hex.EncodeToString(sum[:]) || key.Spec.PreviousKeys[0].SHA256 != before.Spec.SHA256 {
			t.Errorf("of %s: got %+v", name, key.Spec)
		}
		_, stderr, err = budgeted(t, append([]string{"key", "rotate", "ci", "-n", "in-git", "--overlap", "0"}, where...)...)
		if err != nil || !strings.Contains(stderr, "The previous key works until this is applied.") {
			t.Errorf("of %s, without an overlap: error %v, told %q", name, err, stderr)
		}
		stdout, _, err = budgeted(t, append([]string{"key", "revoke", "ci", "-n", "in-git"}, where...)...)
		if err != nil || !strings.Contains(stdout, "expiresAt: ") {
			t.Errorf("of %s: error %v, printed\n%s", name, err, stdout)
		}
	}
	if is := apiKey(t, "in-git", "ci"); is.ResourceVersion != before.ResourceVersion {
		t.Errorf("the cluster was changed: %+v", is.Spec)
	}
	for _, args := range [][]string{{"rotate", "ci", "--overlap", "-1h"}, {"rotate", "ci", "--dry-run=server"}, {"rotate", "gone"}, {"rotate", "gone", "-f", file}} {
		if _, _, err := budgeted(t, append([]string{"key", "-n", "in-git"}, args...)...); err == nil {
			t.Errorf("%q succeeds", args)
		}
	}
}

// TestReplaceKey: what has ended is forgotten, and what works is never lost.
func TestReplaceKey(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	at := func(hash string, d time.Duration) v1alpha1.PreviousKey {
		return v1alpha1.PreviousKey{SHA256: hash, ExpiresAt: metav1.NewTime(now.Add(d))}
	}
	spec := v1alpha1.APIKeySpec{SHA256: "c", PreviousKeys: []v1alpha1.PreviousKey{at("b", time.Minute), at("a", 0)}}
	until, ok := spec.ReplaceKey("d", time.Hour, now)
	if !ok || !until.Equal(&metav1.Time{Time: now.Add(time.Hour)}) || spec.SHA256 != "d" || len(spec.PreviousKeys) != 2 ||
		spec.PreviousKeys[0].SHA256 != "c" || spec.PreviousKeys[1].SHA256 != "b" {
		t.Errorf("got %+v until %s, %v", spec, until, ok)
	}
	for range 6 {
		spec.PreviousKeys = append(spec.PreviousKeys, at("x", time.Minute))
	}
	if _, ok := spec.ReplaceKey("e", time.Hour, now); ok || spec.SHA256 != "d" {
		t.Errorf("a ninth key of before: %v, got %+v", ok, spec)
	}
}
