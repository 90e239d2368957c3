package identify

import (
	"crypto/sha256"
	"sync/atomic"
	"time"

	"github.com/jellydator/ttlcache/v3"

	"github.com/bursar-dev/bursar/api/identity"
)

const (
	// maxTokens is how many verified tokens are remembered, and maxTokenMemory about how
	// many bytes they take together. The least recently used ones are forgotten.
	maxTokens      = 1 << 16
	maxTokenMemory = 64 << 20
	// rememberedBytes is about how many bytes a token takes in addition to its texts.
	rememberedBytes = 1 << 10
	// sweep is how often expired tokens are dropped while others come.
	sweep = 10 * time.Second
)

// remembered is what a verified token says. The token itself is not kept.
type remembered struct {
	issuer *Issuer
	claims identity.Claims
	// belongs is where its caller belonged when that was last computed.
	belongs atomic.Pointer[belongs]
}

// belongs is the tenants that a caller belongs to, by one generation of the Memberships.
type belongs struct {
	generation uint64
	tenancies  []identity.Tenancy
}

// tenanciesIn are the tenants that the caller belongs to now.
func (r *remembered) tenanciesIn(members *identity.Directory) []identity.Tenancy {
	generation := members.Generation()
	if b := r.belongs.Load(); b != nil && b.generation == generation {
		return b.tenancies
	}
	tenancies := members.Tenancies(r.claims)
	r.belongs.Store(&belongs{generation, tenancies})
	return tenancies
}

// bytes is about how much memory it takes.
func (r *remembered) bytes() uint64 {
	c := r.claims
	n := rememberedBytes + len(c.Subject) + len(c.Email) + len(c.User) + len(c.Tier)
	for _, texts := range [][]string{c.Tenants, c.Groups} {
		for _, text := range texts {
			n += 2 * (len(text) + 64) // a Tenancy, or a list of groups in one, repeats it
		}
	}
	for name, value := range c.Labels {
		n += len(name) + len(value) + 64
	}
	return uint64(n)
}

// memory remembers verified tokens, each by its hash.
type memory struct {
	tokens *ttlcache.Cache[[sha256.Size]byte, *remembered]
	swept  atomic.Int64 // Unix time in nanoseconds
}

func newMemory(most, bytes uint64) *memory {
	type hash = [sha256.Size]byte
	return &memory{tokens: ttlcache.New(
		ttlcache.WithDisableTouchOnHit[hash, *remembered](),
		ttlcache.WithCapacity[hash, *remembered](most),
		ttlcache.WithMaxCost(bytes, func(item ttlcache.CostItem[hash, *remembered]) uint64 { return item.Value.bytes() }),
	)}
}

func (m *memory) len() int { return m.tokens.Len() }

func (m *memory) get(hash [sha256.Size]byte) *remembered {
	if item := m.tokens.Get(hash); item != nil {
		return item.Value()
	}
	return nil
}

// put remembers a token for a time.
func (m *memory) put(hash [sha256.Size]byte, r *remembered, ttl time.Duration) {
	m.tokens.Set(hash, r, ttl)
	last, now := m.swept.Load(), time.Now().UnixNano()
	if now-last > int64(sweep) && m.swept.CompareAndSwap(last, now) {
		m.tokens.DeleteExpired()
	}
}

func (m *memory) forget(hash [sha256.Size]byte) { m.tokens.Delete(hash) }
