package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
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
		return "", fmt.Errorf("provider key: %w", err)
	}
	key := strings.TrimSpace(string(content))
	if key == "" {
		return "", fmt.Errorf("provider key %q: the file is empty", file)
	}
	return key, nil
}
