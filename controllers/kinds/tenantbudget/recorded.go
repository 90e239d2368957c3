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

// recordAgain is the least time after which unchanged limits are recorded again; the
// longest is twice that. This corrects what others did to the rows, such as a manager that
// was paused while it led: unlike Redis, Postgres does not refuse its late writes, because
// the rows are a record and no call is admitted by them.
const recordAgain = 5 * time.Minute

// digest is the hash of a text, kept in place of the text to tell whether another is the same.
type digest [sha256.Size]byte

func digestOf(text string) digest { return sha256.Sum256([]byte(text)) }

// recordedLimits remembers which limits this manager has recorded of each tenant, so
// that reconciling an unchanged budget costs Postgres nothing.
type recordedLimits struct {
	tenants sync.Map // name -> *recordedTenant
}

type recordedTenant struct {
	// mu makes goroutines record a tenant one at a time, so that what was recorded last is also
	// remembered last.
	mu sync.Mutex
	// gist is the digest of what was recorded last; zero if that is not known.
	gist  digest
	until time.Time
}

// once calls record unless the same was recorded of the tenant recently.
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
	tenant.gist = digest{} // after an error, it may still have been recorded
	if err := record(ctx, budget); err != nil {
		return err
	}
	tenant.gist, tenant.until = gist, now.Add(recordAgain+rand.N(recordAgain))
	return nil
}

// forget forgets a tenant whose rows are about to be closed.
func (r *recordedLimits) forget(tenant string) { r.tenants.Delete(tenant) }
