package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// keyring is a directory with the keys of providers, one in a file.
//
// Files are read anew for each call: that costs some ten microseconds against the
// seconds of a call, and a key that was rotated, however its file was swapped, is
// the one that is used.
type keyring struct{ dir string }

// read reads the key in a file of the directory.
func (k keyring) read(file string) (string, error) {
	if file != filepath.Base(file) || !filepath.IsLocal(file) {
		return "", fmt.Errorf("provider key %q: must be a plain file name", file)
	}
	content, err := os.ReadFile(filepath.Join(k.dir, file))
	if err != nil {
		return "", failure{fmt.Sprintf("provider key: %v", err), limiterv1.CredentialFileMissing}
	}
	key := strings.TrimSpace(string(content))
	if key == "" {
		return "", failure{fmt.Sprintf("provider key %q: the file is empty", file), limiterv1.CredentialFileMissing}
	}
	return key, nil
}
