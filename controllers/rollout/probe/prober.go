package probe

import (
	"context"
	"errors"
	"sync"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// firstPause and lastPause bound the pauses between probes of a document that is not
// proven.
const (
	firstPause = 2 * time.Second
	lastPause  = 30 * time.Second
)

// Probes takes requests for probes, and has their results.
type Probes interface {
	Request(ctx context.Context, tenant string) error
	Proofs(ctx context.Context, tenants ...string) ([]limiterstore.Proof, error)
}

// Prober requests probes.
type Prober struct {
	probes Probes

	mu    sync.Mutex
	asked map[string]asked
}

// asked is the last request for a probe of a tenant.
type asked struct {
	revision int64
	at       time.Time
	pause    time.Duration
}

// New makes a Prober.
func New(probes Probes) *Prober {
	return &Prober{probes: probes, asked: map[string]asked{}}
}

// Prove adds to the rollout of an object what probes have shown of its tenant's document
// and, until the object's generation is programmed, of the documents below, which inherit
// from it. It asks for probes of the documents that no probe has confirmed.
func (p *Prober) Prove(
	ctx context.Context, rollout conditions.Rollout, object conditions.Object, tenant string, below []limiterv1.DocumentID, now time.Time,
) (conditions.Rollout, error) {
	if !rollout.Arrived() {
		return rollout, nil
	}
	tenants := []string{tenant}
	if !conditions.IsProgrammed(object) {
		for _, id := range below {
			tenants = append(tenants, id.Name)
		}
	}
	proofs, err := p.probes.Proofs(ctx, tenants...)
	var concerning []limiterstore.Proof
	for _, proof := range proofs {
		isNewer := proof.Revision > rollout.Revision
		if isNewer && conditions.IsProgrammed(object) {
			continue // later changes of the document do not concern the object
		}
		concerning = append(concerning, proof)
		// Enforcers do not have a new document yet, and a probe that comes too early would
		// delay the next one.
		if !isNewer && p.due(proof, now) {
			err = errors.Join(err, p.probes.Request(ctx, proof.Tenant))
		}
	}
	return rollout.Probed(concerning...), err
}

// due reports whether a probe has to be requested now, and notes the request.
func (p *Prober) due(proof limiterstore.Proof, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if proof.Proven() || proof.Revision == 0 {
		delete(p.asked, proof.Tenant)
		return false
	}
	last, found := p.asked[proof.Tenant]
	if !found || last.revision != proof.Revision {
		p.asked[proof.Tenant] = asked{proof.Revision, now, firstPause}
		return true
	}
	if now.Sub(last.at) < last.pause {
		return false
	}
	p.asked[proof.Tenant] = asked{proof.Revision, now, min(2*last.pause, lastPause)}
	return true
}
