package limiterstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Proof is the result of a probe: whether calls of a tenant are admitted by its document.
type Proof struct {
	// Tenant is the tenant of the document, and Revision the document's revision; zero if
	// there is none.
	Tenant   string
	Revision int64
	// Answered is set when a probe was made by an enforcer that ran that revision.
	Answered bool
	// By is the enforcer, and Contradiction says in what the enforcer admits by something
	// else than the document; empty if in nothing.
	By            string
	Contradiction string
}

// Proven reports whether a probe has shown that calls are admitted by the document.
func (p Proof) Proven() bool { return p.Answered && p.Contradiction == "" }

// Probes are probes of enforcers that are wanted, and the answers to them.
type Probes struct{ client redis.UniversalClient }

// NewProbes makes Probes.
func NewProbes(client redis.UniversalClient) *Probes { return &Probes{client: client} }

// Request asks for a probe of a tenant from one of the live enforcers.
func (p *Probes) Request(ctx context.Context, tenant string) error {
	pipe := p.client.Pipeline()
	pipe.SAdd(ctx, limiterv1.ProbesKey, tenant)
	pipe.PExpire(ctx, limiterv1.ProbesKey, limiterv1.ProbeLife)
	pipe.Publish(ctx, limiterv1.ProbesChannel, tenant)
	if _, err := pipe.Exec(ctx); err != nil {
		return fmt.Errorf("ask for a probe of tenant %s: %w", tenant, unanswered(err))
	}
	return nil
}

// Proofs are what is known of the documents of tenants, in their order.
func (p *Probes) Proofs(ctx context.Context, tenants ...string) ([]Proof, error) {
	ids := make([]string, len(tenants))
	for i, tenant := range tenants {
		ids[i] = limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: tenant}.String()
	}
	pipe := p.client.TxPipeline()
	documents, answers := pipe.HMGet(ctx, limiterv1.DocumentsKey, ids...), pipe.HMGet(ctx, limiterv1.ProbeAnswersKey, tenants...)
	incarnation := pipe.Get(ctx, limiterv1.IncarnationKey)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("read the answers to probes: %w", unanswered(err))
	}
	proofs := make([]Proof, len(tenants))
	for i, tenant := range tenants {
		stored, _ := documents.Val()[i].(string)
		answer, _ := answers.Val()[i].(string)
		proof, err := proofOf(tenant, stored, answer, incarnation.Val())
		if err != nil {
			return nil, err
		}
		proofs[i] = proof
	}
	return proofs, nil
}

func proofOf(tenant, stored, raw, incarnation string) (Proof, error) {
	proof := Proof{Tenant: tenant}
	observed, err := document(stored)
	if err != nil {
		return Proof{}, fmt.Errorf("document of tenant %s: %w", tenant, err)
	}
	proof.Revision = observed.Revision
	var answer limiterv1.ProbeAnswer
	if proof.Revision == 0 || raw == "" || json.Unmarshal([]byte(raw), &answer) != nil {
		return proof, nil // an unreadable answer is none
	}
	if answer.Incarnation != incarnation || answer.Revision < proof.Revision {
		return proof, nil
	}
	var want limiterv1.Tenant
	if err := json.Unmarshal(observed.Body, &want); err != nil {
		return Proof{}, fmt.Errorf("document of tenant %s: %w", tenant, err)
	}
	proof.Answered, proof.By = true, answer.Host+" ("+answer.Session+")"
	proof.Contradiction = answer.Contradiction(want)
	return proof, nil
}
