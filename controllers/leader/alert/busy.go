package alert

import (
	"maps"
	"slices"
	"sync"
)

// busy are the tenants that have a delivery under way. Each has one at a time, so that a
// tenant whose receiver hangs does not delay the others.
type busy struct {
	// taking serialises taking a delivery, so that the next one knows which tenants are busy.
	taking sync.Mutex

	mu    sync.Mutex
	names map[string]bool
}

func (b *busy) begin(tenant string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.names == nil {
		b.names = map[string]bool{}
	}
	b.names[tenant] = true
}

func (b *busy) end(tenant string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.names, tenant)
}

func (b *busy) tenants() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.names))
}
