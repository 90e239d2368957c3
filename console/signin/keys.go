package signin

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	keyBytes = 32
	// rereadAfter is how long a file of keys is used before it is read again.
	rereadAfter = 5 * time.Second
)

// The purposes of a key. What was sealed for one is opened for no other.
const (
	forSessions = "bursar console session"
	forSignIns  = "bursar console sign-in"
	forForms    = "bursar console form"
)

// Keys seal the contents of cookies, so that only consoles can read or change them. Their
// methods are safe for concurrent use.
type Keys struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	readAt time.Time
	keys   [][]byte // the first seals, and all open
}

// ReadKeys reads keys from a file, and again whenever it changes: 32 bytes in base64 on each
// line, the first of which seals, and all of which open.
func ReadKeys(path string, log *slog.Logger) (*Keys, error) {
	keys, err := readKeys(path)
	if err != nil {
		return nil, err
	}
	return &Keys{path: path, log: log, readAt: time.Now(), keys: keys}, nil
}

// RandomKeys are keys that only this process has.
func RandomKeys() *Keys {
	key := make([]byte, keyBytes)
	_, _ = rand.Read(key) // it never fails
	return &Keys{keys: [][]byte{key}}
}

func readKeys(path string) (keys [][]byte, err error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for n, line := range bytes.Split(content, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		key, err := base64.StdEncoding.DecodeString(string(line))
		if err != nil || len(key) != keyBytes {
			return nil, fmt.Errorf("%s: line %d is not %d bytes in base64: make a key with openssl rand -base64 %[3]d", path, n+1, keyBytes)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s has no key: make one with openssl rand -base64 %d", path, keyBytes)
	}
	return keys, nil
}

// all are the keys that the file has now. While it cannot be read, the previous ones stay.
func (k *Keys) all() [][]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.path != "" && time.Since(k.readAt) > rereadAfter {
		k.readAt = time.Now()
		if keys, err := readKeys(k.path); err != nil {
			k.log.Warn("Failed to read the session keys again; keeping the previous ones", "error", err)
		} else {
			k.keys = keys
		}
	}
	return k.keys
}

// derived is the key for a purpose.
func derived(key []byte, purpose string) []byte {
	d, err := hkdf.Key(sha256.New, key, nil, purpose, keyBytes)
	if err != nil {
		panic(fmt.Sprintf("derive a key: %v", err)) // SHA-256 gives 32 bytes
	}
	return d
}

// sealed is the contents of a seal.
type sealed struct {
	Until time.Time       `json:"until"`
	Value json.RawMessage `json:"value"`
}

// seal encrypts a value for a purpose. It can be opened until a moment.
func (k *Keys) seal(purpose string, until time.Time, value any) (string, error) {
	encoded, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	if encoded, err = json.Marshal(sealed{until, encoded}); err != nil {
		return "", err
	}
	recipient := jose.Recipient{Algorithm: jose.DIRECT, Key: derived(k.all()[0], purpose)}
	encrypter, err := jose.NewEncrypter(jose.A256GCM, recipient, nil)
	if err != nil {
		return "", err
	}
	encrypted, err := encrypter.Encrypt(encoded)
	if err != nil {
		return "", err
	}
	return encrypted.CompactSerialize()
}

var errSeal = errors.New("it was not sealed here for this, or its time is over")

// open reads what was sealed for a purpose.
func (k *Keys) open(purpose, text string, now time.Time, into any) error {
	encrypted, err := jose.ParseEncryptedCompact(text, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return errSeal
	}
	for _, key := range k.all() {
		content, err := encrypted.Decrypt(derived(key, purpose))
		if err != nil {
			continue
		}
		var found sealed
		if json.Unmarshal(content, &found) != nil || !now.Before(found.Until) || json.Unmarshal(found.Value, into) != nil {
			return errSeal
		}
		return nil
	}
	return errSeal
}

// formToken is the token of a person's forms.
func (k *Keys) formToken(who string) string { return formTokenBy(k.all()[0], who) }

func formTokenBy(key []byte, who string) string {
	mac := hmac.New(sha256.New, derived(key, forForms))
	mac.Write([]byte(who))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// isFormToken reports whether a token is that of a person's forms.
func (k *Keys) isFormToken(token, who string) bool {
	for _, key := range k.all() {
		if hmac.Equal([]byte(token), []byte(formTokenBy(key, who))) {
			return true
		}
	}
	return false
}
