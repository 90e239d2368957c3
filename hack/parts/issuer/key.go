package issuer

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Key is a key that tokens are signed with.
type Key struct {
	ID        string
	Algorithm jose.SignatureAlgorithm
	private   crypto.Signer
}

// NewKey makes a key of a kind that an algorithm needs.
func NewKey(id string, algorithm jose.SignatureAlgorithm) (Key, error) {
	private, err := newPrivate(algorithm)
	return Key{ID: id, Algorithm: algorithm, private: private}, err
}

func newPrivate(algorithm jose.SignatureAlgorithm) (crypto.Signer, error) {
	switch algorithm {
	case jose.ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case jose.ES384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case jose.ES512:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case jose.EdDSA:
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// Public is the key as a JWK set publishes it.
func (k Key) Public() jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.private.Public(), KeyID: k.ID, Algorithm: string(k.Algorithm), Use: "sig"}
}

// Set is a JWK set of keys.
func Set(keys ...Key) json.RawMessage {
	var set jose.JSONWebKeySet
	for _, key := range keys {
		set.Keys = append(set.Keys, key.Public())
	}
	return mustMarshal(set)
}

// Sign makes a token of claims.
func (k Key) Sign(claims map[string]any) string {
	return k.SignRaw(map[string]any{"alg": k.Algorithm, "kid": k.ID, "typ": "JWT"}, mustMarshal(claims))
}

// SignRaw makes a token of a header and a payload as they are, however wrong.
func (k Key) SignRaw(header map[string]any, payload []byte) string {
	return k.SignParts(mustMarshal(header), payload)
}

// SignParts does the same with a header that need not be an object of its own.
func (k Key) SignParts(header, payload []byte) string {
	input := encode(header) + "." + encode(payload)
	signature, err := k.sign([]byte(input))
	if err != nil {
		panic(fmt.Sprintf("sign a token: %v", err)) // the keys are of this package
	}
	return input + "." + encode(signature)
}

// sign has the library make the signature for the key's algorithm, whatever the header says.
func (k Key) sign(input []byte) ([]byte, error) {
	hash := hashes[k.Algorithm]
	switch private := k.private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, input), nil
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, sum(hash, input))
		if err != nil {
			return nil, err
		}
		size := (private.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...), nil
	}
	private := k.private.(*rsa.PrivateKey)
	if k.Algorithm[:2] == "PS" {
		return rsa.SignPSS(rand.Reader, private, hash, sum(hash, input), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return rsa.SignPKCS1v15(rand.Reader, private, hash, sum(hash, input))
}

var hashes = map[jose.SignatureAlgorithm]crypto.Hash{
	jose.RS256: crypto.SHA256, jose.PS256: crypto.SHA256, jose.ES256: crypto.SHA256,
	jose.RS384: crypto.SHA384, jose.PS384: crypto.SHA384, jose.ES384: crypto.SHA384,
	jose.RS512: crypto.SHA512, jose.PS512: crypto.SHA512, jose.ES512: crypto.SHA512,
}

func sum(hash crypto.Hash, input []byte) []byte {
	h := hash.New()
	h.Write(input)
	return h.Sum(nil)
}

func encode(part []byte) string { return base64.RawURLEncoding.EncodeToString(part) }

func mustMarshal(value any) []byte {
	encoded, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("encode a token: %v", err)) // what tests write can be encoded
	}
	return encoded
}
