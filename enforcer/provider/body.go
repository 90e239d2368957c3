package provider

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// body is the body of a call on its way out. The transport holds a request until its answer
// has been read to the end, which may take minutes; the bytes of its body are let go before.
type body struct {
	mu    sync.Mutex
	bytes []byte
	// readers are those that requests were given: of this type, so that the transport
	// knows that reading them does not block.
	readers []*bytes.Reader
}

// giveTo makes it the body of a request, which may be written more than once.
func (b *body) giveTo(request *http.Request) {
	request.ContentLength = int64(len(b.bytes))
	request.GetBody = func() (io.ReadCloser, error) { return b.reader(), nil }
	request.Body = b.reader()
}

func (b *body) reader() io.ReadCloser {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := bytes.NewReader(b.bytes)
	b.readers = append(b.readers, r)
	return io.NopCloser(r)
}

// letGo lets go of the bytes. REQUIRES: all were written, and will not be written again.
func (b *body) letGo() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.readers {
		r.Reset(nil)
	}
	b.bytes, b.readers = nil, nil
}
