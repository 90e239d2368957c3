package proxy

import (
	"cmp"
	"sync"
	"sync/atomic"

	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
)

// How many bytes must stay free for each byte that a credential, or a tenant, has taken. A
// credential alone gets a third of all memory, a tenant alone a half; with others beside
// them, less. However many have taken their part, some is left for the next.
const (
	forCredential = 2
	forTenant     = 1
)

// bodies bounds the memory that the bodies of requests take together, and the part of it
// that a tenant and a credential may have.
type bodies struct {
	limit int64

	mu   sync.Mutex
	used int64
	// by is what tenants, and credentials, have taken.
	by map[taker]int64
}

// taker is a tenant, or one of its callers: an API key, or a subject of an IdentityProvider.
type taker struct{ tenant, credential, subject string }

func takerOf(s admission.Subject) taker {
	return taker{s.Tenant, cmp.Or(s.Credential, s.IdentityProvider), s.Subject}
}

func newBodies(limit int64) *bodies { return &bodies{limit: limit, by: map[taker]int64{}} }

// largest is the largest body for which there is ever room.
func (b *bodies) largest() int64 { return b.limit / (forCredential + 1) }

// inUse is how many bytes are taken.
func (b *bodies) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// take takes memory for a caller; the error is a *call.NoRoom.
func (b *bodies) take(s admission.Subject, bytes int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	tenant, credential := taker{tenant: s.Tenant}, takerOf(s)
	free := b.limit - b.used - bytes
	if forTenant*(b.by[tenant]+bytes) > free || forCredential*(b.by[credential]+bytes) > free {
		return &call.NoRoom{Own: b.by[tenant] > 0}
	}
	b.used += bytes
	b.by[tenant] += bytes
	b.by[credential] += bytes
	return nil
}

func (b *bodies) giveBack(s admission.Subject, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used -= bytes
	for _, t := range []taker{{tenant: s.Tenant}, takerOf(s)} {
		if b.by[t] -= bytes; b.by[t] == 0 {
			delete(b.by, t)
		}
	}
}

// room is the memory of one request's body.
type room struct {
	bodies *bodies
	of     admission.Subject
	bytes  atomic.Int64
	// whole is whether the body was read to its end.
	whole bool
}

// grow takes more memory.
func (r *room) grow(bytes int64) error {
	if err := r.bodies.take(r.of, bytes); err != nil {
		return err
	}
	r.bytes.Add(bytes)
	return nil
}

// leave gives all of it back. To call it again does nothing.
func (r *room) leave() {
	if bytes := r.bytes.Swap(0); bytes > 0 {
		r.bodies.giveBack(r.of, bytes)
	}
}
