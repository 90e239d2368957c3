package tenantbudget

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

// recordAgain is after how long limits are recorded again that did not change, at
// least; at most it is twice as long. This corrects what others did to the rows, such as a
// manager that was paused while it led: unlike Redis, Postgres does not refuse its late
// writes, because the rows are a record and no call is admitted by them.
const recordAgain = 5 * time.Minute

// digest tells whether a text is the same as another, which need not be remembered for it.
type digest [sha256.Size]byte

func digestOf(text string) digest { return sha256.Sum256([]byte(text)) }

// recordedLimits remembers which limits this manager has recorded of each tenant, so
// that a budget that is looked at and found as before costs Postgres nothing.
type recordedLimits struct {
	tenants sync.Map // name -> *recordedTenant
}

type recordedTenant struct {
	// mu lets one at a time record a tenant: what was recorded last is remembered last.
	mu sync.Mutex
	// gist is that of what was recorded last; zero when that is not known.
	gist  digest
	until time.Time
}

// once calls record, unless the same was recorded of the tenant a short while ago.
func (r *recordedLimits) once(
	ctx context.Context, budget budgetstore.Budget, now time.Time, record func(context.Context, budgetstore.Budget) error,
) error {
	raw, err := json.Marshal(budget)
	if err != nil {
		return err
	}
	gist := digestOf(string(raw))
	entry, _ := r.tenants.LoadOrStore(budget.Tenant, &recordedTenant{})
	tenant := entry.(*recordedTenant)
	tenant.mu.Lock()
	defer tenant.mu.Unlock()
	if tenant.gist == gist && now.Before(tenant.until) {
		return nil
	}
	tenant.gist = digest{} // an error does not say that nothing was recorded
	if err := record(ctx, budget); err != nil {
		return err
	}
	tenant.gist, tenant.until = gist, now.Add(recordAgain+rand.N(recordAgain))
	return nil
}

// forget forgets a tenant whose rows are about to be closed.
func (r *recordedLimits) forget(tenant string) { r.tenants.Delete(tenant) }
