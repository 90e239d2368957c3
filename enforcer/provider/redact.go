package provider

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
)

// shortestSecret is the length of the shortest key that is looked for in answers, in bytes:
// one that is shorter is no secret, and may be a word.
const shortestSecret = 16

// withhold takes the provider's key out of an answer: a provider, or what stands before it,
// may echo what it was sent, and clients must not see the key. Fields of the header that
// have it are left out; in the body asterisks take its place.
func withhold(key string, response *http.Response) {
	if len(key) < shortestSecret {
		return
	}
	for name, values := range response.Header {
		if slices.ContainsFunc(values, func(value string) bool { return strings.Contains(value, key) }) {
			delete(response.Header, name)
		}
	}
	response.Body = &redactor{
		ReadCloser: response.Body, key: []byte(key), rarest: rarestOf(key), stars: bytes.Repeat([]byte{'*'}, len(key)),
	}
}

// common are the bytes of which keys are made, the most common in answers first.
const common = `etaonirsldhcumpfgybw-vk_0123459786ESTAICONRLDMPUFBGHYWVxjqzKJXQZ`

// rarestOf is the index of the byte of a key that is rarest in answers.
func rarestOf(key string) (at int) {
	rarity := func(i int) int {
		if rank := strings.IndexByte(common, key[i]); rank >= 0 {
			return rank
		}
		return len(common)
	}
	for i := range len(key) {
		if rarity(i) > rarity(at) {
			at = i
		}
	}
	return at
}

// redactor reads a body without the key.
type redactor struct {
	io.ReadCloser
	key, stars []byte
	// rarest is the index of the byte of the key that is searched for.
	rarest int
	// held is the end of what was read, if the key may begin there.
	held []byte
	// ready is what was read and not yet returned, and then is the error of that read.
	ready []byte
	then  error
}

// Read reads on.
func (r *redactor) Read(p []byte) (n int, err error) {
	if len(p) > len(r.key) && len(r.ready) == 0 && r.then == nil {
		return r.readInto(p)
	}
	if len(r.ready) == 0 && r.then == nil {
		buffer := make([]byte, 4<<10+len(r.key))
		n, r.then = r.readInto(buffer)
		r.ready = buffer[:n]
	}
	n = copy(p, r.ready)
	r.ready = r.ready[n:]
	if len(r.ready) == 0 {
		err, r.then = r.then, nil
	}
	return n, err
}

// readInto reads on. REQUIRES: p is longer than the key.
func (r *redactor) readInto(p []byte) (int, error) {
	for {
		n := copy(p, r.held)
		more, err := r.ReadCloser.Read(p[n:])
		read := p[:n+more]
		r.redact(read)
		r.held = r.held[:0]
		if err == nil {
			r.held = append(r.held, read[len(read)-r.begun(read):]...)
		}
		if n = len(read) - len(r.held); n > 0 || err != nil {
			return n, err
		}
	}
}

// redact puts asterisks in the place of the key. Searching for one rare byte is faster than
// comparing the whole key at every place.
func (r *redactor) redact(read []byte) {
	for from := 0; ; {
		found := bytes.IndexByte(read[from:], r.key[r.rarest])
		if found < 0 {
			return
		}
		at := from + found - r.rarest
		if at >= 0 && bytes.HasPrefix(read[at:], r.key) {
			copy(read[at:], r.stars)
		}
		from += found + 1
	}
}

// begun is how many bytes at the end of what was read may be the beginning of the key.
func (r *redactor) begun(read []byte) int {
	for n := min(len(r.key)-1, len(read)); n > 0; n-- {
		if bytes.HasPrefix(r.key, read[len(read)-n:]) {
			return n
		}
	}
	return 0
}
