package admission

import (
	"context"

	"github.com/bursar-dev/bursar/api/money"
)

// Admitter admits calls.
type Admitter struct{ store Store }

// NewAdmitter makes an Admitter on a Store.
func NewAdmitter(store Store) *Admitter { return &Admitter{store: store} }

// Store holds the counters. TODO
type Store interface{}

// Admit TODO
func (a *Admitter) Admit(ctx context.Context, tenant *Tenant, call Call) (Decision, error) {
	return Decision{}, nil
}

// Tenant is TODO (NewTenant(limiterv1.Tenant) (*Tenant, error))
type Tenant struct{}

// Hold is the money reserved for an admitted call.
type Hold struct{}

// Settle ends the hold with the true cost and tokens; record replaces Call.Record.
func (h *Hold) Settle(ctx context.Context, cost money.Nanos, tokens int64, record []byte) error {
	return nil
}
