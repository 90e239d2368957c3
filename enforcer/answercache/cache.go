package answercache

import (
	"context"
	"net/textproto"
	"time"

	"github.com/jellydator/ttlcache/v3"

	"github.com/bursar-dev/bursar/enforcer/digest"
)

// Answer is an answer as a client got it. It must not be changed.
type Answer struct {
	Status int
	Header textproto.MIMEHeader
	Body   []byte
	// At is when it was given, by this machine's clock.
	At time.Time
}

// MaxAnswerBytes is the size of the largest body that is kept.
const MaxAnswerBytes = 1 << 20

// entryBytes is roughly what an answer takes in addition to its body and its header.
const entryBytes = 512

func (a Answer) bytes() uint64 {
	n := entryBytes + len(a.Body)
	for name, values := range a.Header {
		n += len(name)
		for _, value := range values {
			n += len(value)
		}
	}
	return uint64(n)
}

// Cache keeps answers by the digests of their requests. It is safe for concurrent use.
type Cache struct {
	// answers is nil where none are kept.
	answers *ttlcache.Cache[digest.Digest, Answer]
}

// New makes a Cache whose answers take at most maxBytes together. If that is 0 or
// less, it keeps none.
func New(maxBytes int64) *Cache {
	if maxBytes <= 0 {
		return &Cache{}
	}
	return &Cache{answers: ttlcache.New(
		ttlcache.WithDisableTouchOnHit[digest.Digest, Answer](),
		ttlcache.WithMaxCost(uint64(maxBytes), func(item ttlcache.CostItem[digest.Digest, Answer]) uint64 { return item.Value.bytes() }),
	)}
}

// Put keeps an answer for a time, and replaces any that was kept for the key.
// One that is too large is not kept.
func (c *Cache) Put(key digest.Digest, answer Answer, maxAge time.Duration) {
	if c.answers != nil && maxAge > 0 && len(answer.Body) <= MaxAnswerBytes {
		c.answers.Set(key, answer, maxAge)
	}
}

// Get returns the answer that is kept for the key, if there is one that is no older than maxAge.
func (c *Cache) Get(key digest.Digest, maxAge time.Duration) (Answer, bool) {
	if c.answers == nil {
		return Answer{}, false
	}
	item := c.answers.Get(key)
	if item == nil || time.Since(item.Value().At) > maxAge {
		return Answer{}, false
	}
	return item.Value(), true
}

// sweep is how often the memory of answers that are too old is freed. Get does not
// return them in the meantime.
const sweep = 10 * time.Second

// Run drops answers that are too old, until ctx ends.
func (c *Cache) Run(ctx context.Context) {
	if c.answers == nil {
		return
	}
	tick := time.NewTicker(sweep)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c.answers.DeleteExpired()
		}
	}
}
