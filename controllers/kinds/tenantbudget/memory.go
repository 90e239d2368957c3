package tenantbudget

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"
)

// memory is what this manager remembers of a budget from one reconcile to the next. A manager
// that restarts remembers nothing, which is safe: for some seconds it has no forecasts, and
// it records again what is already on record.
type memory struct {
	spending spendings
	recorded recordedAlerts
	owners   ownerLook
}

// memories are the memories of all budgets that were reconciled. The memory of a budget is
// used without a lock: only one goroutine at a time reconciles the budget.
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

// forget forgets a budget that is being deleted.
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
