package dist

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"aead.dev/minisign"
)

// checksums is the file with the checksums of all others.
const checksums = "SHA256SUMS"

// Checksums writes the checksum of each file in a directory, as `sha256sum --check` reads them.
func Checksums(directory string) error {
	var all strings.Builder
	err := filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), checksums) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(directory, path)
		digest := sha256.Sum256(content)
		fmt.Fprintf(&all, "%s  %s\n", hex.EncodeToString(digest[:]), filepath.ToSlash(name))
		return err
	})
	if err != nil {
		return err
	}
	return write(directory, checksums, []byte(all.String()))
}

// Sign signs the checksums and what they are of, such as "bursar v0.1.0", with a private key of
// minisign, so that `minisign -V -p bursar.pub -m SHA256SUMS` tells whose they are and of what.
// The same key and files make the same signature.
func Sign(directory, keyFile, password, of string) (err error) {
	key, err := minisign.PrivateKeyFromFile(password, keyFile)
	if err != nil {
		return fmt.Errorf("the key in %s: %w", keyFile, err)
	}
	file, err := os.Open(filepath.Join(directory, checksums))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content := minisign.NewReader(file)
	if _, err := io.Copy(io.Discard, content); err != nil {
		return err
	}
	return write(directory, checksums+".minisig", content.SignWithComments(key, of, "signature of "+checksums))
}
