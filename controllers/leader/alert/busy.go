package alert

import (
	"maps"
	"slices"
	"sync"
)

// busy are the tenants of whose alerts somebody is being told. It is one at a time of each,
// so that those whose receivers hang do not keep everybody else waiting.
type busy struct {
	// taking lets one at a time take a delivery: who is busy is known to the next.
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
