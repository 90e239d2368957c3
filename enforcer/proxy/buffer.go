package proxy

import "sync"

// How much of an answer is read at once. Most streams come in pieces that are smaller than
// smallBuffer, and are silent between them; a stream that comes faster than it is passed on fills it.
const (
	smallBuffer = 4 << 10
	largeBuffer = 32 << 10
)

// Buffers are reused: one for each call would be half of all that is allocated for a call.
var (
	smallBuffers = sync.Pool{New: func() any { return new([smallBuffer]byte) }}
	largeBuffers = sync.Pool{New: func() any { return new([largeBuffer]byte) }}
)

// buffer is what an answer is read into.
type buffer struct {
	small *[smallBuffer]byte
	// large is nil unless small was too small.
	large *[largeBuffer]byte
}

func newBuffer() *buffer { return &buffer{small: smallBuffers.Get().(*[smallBuffer]byte)} }

// bytes are those to read into.
func (b *buffer) bytes() []byte {
	if b.large != nil {
		return b.large[:]
	}
	return b.small[:]
}

// fit makes the buffer as large as it should be if that many bytes came at once. Its content is lost.
func (b *buffer) fit(came int) {
	switch {
	case b.large == nil && came == smallBuffer:
		b.large = largeBuffers.Get().(*[largeBuffer]byte)
	case b.large != nil && came < smallBuffer:
		largeBuffers.Put(b.large)
		b.large = nil
	}
}

// release lets others use the buffer.
func (b *buffer) release() {
	b.fit(0)
	smallBuffers.Put(b.small)
}
