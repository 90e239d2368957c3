package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

var keyPattern = regexp.MustCompile(`\bbursar_[a-z0-9-]+_[0-9a-f]{64}\b`)

func TestKeyCreate(t *testing.T) {
	namespace(t, "keys")
	budget(t, "keys")
	args := []string{"key", "create", "ana", "-n", "keys", "--budget", "keys", "--user", "ana@example.com", "--tier", "gerente", "--expires", "30d"}
	stdout, stderr, err := budgeted(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	keys := keyPattern.FindAllString(stderr, -1)
	var key v1alpha1.APIKey
	if err := yaml.UnmarshalStrict([]byte(stdout), &key); err != nil || len(keys) != 1 || keyPattern.MatchString(stdout) {
		t.Fatalf("error %v, told %q, printed\n%s", err, stderr, stdout)
	}
	sum := sha256.Sum256([]byte(keys[0]))
	if key.Spec.SHA256 != hex.EncodeToString(sum[:]) || key.Spec.User != "ana@example.com" || key.Spec.Tier != "gerente" || key.Spec.ExpiresAt == nil {
		t.Errorf("got %+v of key %s", key.Spec, keys[0])
	}
	if err := api.Create(t.Context(), &key); err != nil {
		t.Errorf("the API server does not take it: %v", err)
	}

	file := filepath.Join(t.TempDir(), "key")
	args[2] = "bo"
	stdout, stderr, err = budgeted(t, append(args, "--key-file", file, "--apply", "-o", "json")...)
	written, readErr := os.ReadFile(file)
	if err != nil || readErr != nil || !keyPattern.Match(written) || keyPattern.MatchString(stdout+stderr) {
		t.Fatalf("error %v and %v, told %q, wrote %q, printed\n%s", err, readErr, stderr, written, stdout)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %v, error %v", info.Mode(), err)
	}
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: "keys", Name: "bo"}, &key); err != nil {
		t.Errorf("it is not there: %v", err)
	}
	if _, _, err = budgeted(t, append(args, "--apply")...); !apierrors.IsAlreadyExists(err) {
		t.Errorf("of a name that is taken: %v", err)
	}
	if _, _, err = budgeted(t, append(args, "--key-file", file)...); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into a file that is there: %v", err)
	}
}

// TestKeyThatNobodyHas: there is no APIKey whose key was not told, and no key in a file
// of which there is no APIKey.
func TestKeyThatNobodyHas(t *testing.T) {
	namespace(t, "untold")
	budget(t, "untold")
	dir := t.TempDir()
	create := func(name, file string) error {
		_, _, err := budgeted(t, "key", "create", name, "-n", "untold", "--budget", "untold", "--user", "ana", "--tier", "gerente",
			"--key-file", filepath.Join(dir, file), "--apply")
		return err
	}
	if err := create("ana", "key"); err != nil {
		t.Fatal(err)
	}
	if err := create("bo", "key"); err == nil {
		t.Error("the file was there, and is written over")
	}
	var key v1alpha1.APIKey
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: "untold", Name: "bo"}, &key); !apierrors.IsNotFound(err) {
		t.Errorf("got an APIKey whose key nobody has: error %v", err)
	}
	if err := create("ana", "other"); err == nil {
		t.Error("the name was taken, and is taken again")
	}
	if _, err := os.Stat(filepath.Join(dir, "other")); !os.IsNotExist(err) {
		t.Errorf("got a file with the key of no APIKey: error %v", err)
	}
}

func TestGrant(t *testing.T) {
	namespace(t, "grants")
	budget(t, "grants")
	args := []string{"grant", "grants", "-n", "grants", "--limit", "daily", "--amount", "20.00", "--reason", "load test", "--expires", "24h"}
	stdout, _, err := budgeted(t, append(args, "--apply", "--name", "load-test")...)
	var printed, created v1alpha1.BudgetGrant
	if err != nil || yaml.UnmarshalStrict([]byte(stdout), &printed) != nil {
		t.Fatalf("error %v, printed\n%s", err, stdout)
	}
	if err := api.Get(t.Context(), client.ObjectKey{Namespace: "grants", Name: "load-test"}, &created); err != nil {
		t.Fatal(err)
	}
	if created.Spec.Amount != "20.00" || created.Spec.Reason != "load test" || !created.Spec.ExpiresAt.Equal(&printed.Spec.ExpiresAt) {
		t.Errorf("created %+v, printed %+v", created.Spec, printed.Spec)
	}
	stdout, _, err = budgeted(t, args...)
	if err != nil || yaml.UnmarshalStrict([]byte(stdout), &printed) != nil || !strings.HasPrefix(printed.Name, "grants-daily-") {
		t.Errorf("error %v, printed\n%s", err, stdout)
	}
}
