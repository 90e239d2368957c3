package tenantbudget

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// memory is what this manager remembers of a budget from one look at it to the next. A
// manager that begins anew remembers nothing, and does nothing wrong: it knows no rates
// for some seconds, and records what is on record.
type memory struct {
	spending spendings
	recorded recordedAlerts
	users    userLook
}

// memories are those of all budgets, as far as they were looked at. A budget's own is
// used without a lock: nobody else reconciles the budget at the same time.
type memories struct {
	mu      sync.Mutex
	budgets map[types.UID]*memory
}

func (m *memories) of(budget types.UID) *memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.budgets == nil {
		m.budgets = map[types.UID]*memory{}
	}
	if m.budgets[budget] == nil {
		m.budgets[budget] = &memory{}
	}
	return m.budgets[budget]
}

// forget forgets a budget that is gone.
func (m *memories) forget(budget types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.budgets, budget)
}

func (m *memories) count() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.budgets)
}
