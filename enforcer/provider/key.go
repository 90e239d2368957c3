package provider

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// keyring is a directory with the keys of providers, one in a file.
//
// It looks at the file's attributes for each call, and reads the file only if they have changed:
// so a rotated key is used at once, however its file was swapped.
type keyring struct {
	dir string
	// known are the keys that were read, by file: string -> knownKey.
	known sync.Map
}

// knownKey is a key and the file that it was read from, as that was then.
type knownKey struct {
	key  string
	file os.FileInfo
}

// settledAfter is how old a file must be before its key is remembered: a later change within the
// resolution of the file system's clock could not be seen.
const settledAfter = 2 * time.Second

// isOf is whether the file is still the one that the key was read from.
func (k knownKey) isOf(file os.FileInfo) bool {
	return os.SameFile(k.file, file) && k.file.ModTime().Equal(file.ModTime()) && k.file.Size() == file.Size()
}

// read reads the key in a file of the directory.
func (k *keyring) read(file string) (string, error) {
	if file != filepath.Base(file) || !filepath.IsLocal(file) {
		return "", fmt.Errorf("provider key %q: must be a plain file name", file)
	}
	path := filepath.Join(k.dir, file)
	now, err := os.Stat(path)
	if err != nil {
		return "", missing(err)
	}
	if known, ok := k.known.Load(file); ok && known.(knownKey).isOf(now) {
		return known.(knownKey).key, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", missing(err)
	}
	key := strings.TrimSpace(string(content))
	if key == "" {
		return "", failure{fmt.Sprintf("provider key %q: the file is empty", file), limiterv1.CredentialFileMissing}
	}
	// The attributes may be those of an older file than was read: the next call then reads it again.
	if time.Since(now.ModTime()) > settledAfter {
		k.known.Store(file, knownKey{key, now})
	}
	return key, nil
}

func missing(err error) error {
	return failure{fmt.Sprintf("provider key: %v", err), limiterv1.CredentialFileMissing}
}
