package limiterstore

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// findingsKey is a hash: tenant -> what audits have found of its counters. It is the
// control plane's own.
const findingsKey = "bursar:{config}:audit-findings"

// Findings are what audits have found of the counters of tenants.
type Findings struct{ client redis.UniversalClient }

// NewFindings makes Findings.
func NewFindings(client redis.UniversalClient) *Findings { return &Findings{client: client} }

// All are what audits have found, by tenant.
func (f *Findings) All(ctx context.Context) (map[string][]byte, error) {
	kept, err := f.client.HGetAll(ctx, findingsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read the audits' findings: %w", unanswered(err))
	}
	findings := map[string][]byte{}
	for tenant, raw := range kept {
		findings[tenant] = []byte(raw)
	}
	return findings, nil
}

// Keep keeps what an audit has found of a tenant, in the place of what there
// was; nil for nothing.
func (f *Findings) Keep(ctx context.Context, tenant string, findings []byte) error {
	var err error
	if findings == nil {
		err = f.client.HDel(ctx, findingsKey, tenant).Err()
	} else {
		err = f.client.HSet(ctx, findingsKey, tenant, findings).Err()
	}
	if err != nil {
		return fmt.Errorf("store an audit's findings: %w", unanswered(err))
	}
	return nil
}
