// Package digest identifies requests, and other things that are known by their parts. The
// stored answer to a request and an earlier call are both found by the same digest.
package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Digest is a hash of parts, and identifies them.
type Digest [sha256.Size]byte

// Of is the digest of parts. The same bytes, split into other parts, have another digest.
func Of(parts ...[]byte) (d Digest) {
	hash := sha256.New()
	for _, part := range parts {
		_ = binary.Write(hash, binary.LittleEndian, int64(len(part))) // a hash never returns an error
		hash.Write(part)
	}
	hash.Sum(d[:0])
	return d
}

// String is the digest in hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }
