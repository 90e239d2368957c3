package documents

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/limiterstore"
)

// Put puts documents, each a limiterv1.Tenant, Provider or Credential, and returns
// the revision that contains them all.
func Put(ctx context.Context, client redis.UniversalClient, documents ...any) (revision int64, err error) {
	store := limiterstore.New(client)
	for _, document := range documents {
		id, err := idOf(document)
		if err != nil {
			return 0, err
		}
		if revision, err = store.Put(ctx, id, document); err != nil {
			return 0, err
		}
		if tenant, ok := document.(limiterv1.Tenant); ok {
			if err := store.Open(ctx, tenant); err != nil {
				return 0, err
			}
		}
	}
	return revision, nil
}

func idOf(document any) (limiterv1.DocumentID, error) {
	switch d := document.(type) {
	case limiterv1.Tenant:
		return limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: d.Tenant}, nil
	case limiterv1.Provider:
		return limiterv1.DocumentID{Kind: limiterv1.ProviderDocument, Name: d.Name}, nil
	case limiterv1.Credential:
		return limiterv1.DocumentID{Kind: limiterv1.CredentialDocument, Name: d.SHA256}, nil
	}
	return limiterv1.DocumentID{}, fmt.Errorf("%T is no document", document)
}
