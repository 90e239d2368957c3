package documents

import (
	"context"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// Put puts documents, each a limiterv1.Tenant, Provider, Credential, IdentityProvider or
// Members, and returns the revision that contains them all.
func Put(ctx context.Context, client redis.UniversalClient, documents ...any) (revision int64, err error) {
	store := limiterstore.NewDocuments(client)
	if err := completeEpoch(ctx, limiterstore.NewEpochs(client)); err != nil {
		return 0, err
	}
	for _, document := range documents {
		id, err := idOf(document)
		if err != nil {
			return 0, err
		}
		if revision, err = store.Put(ctx, id, document); err != nil {
			return 0, err
		}
		if tenant, ok := document.(limiterv1.Tenant); ok {
			if err := resume(ctx, client, tenant); err != nil {
				return 0, err
			}
		}
	}
	return revision, complete(ctx, limiterstore.NewConfigurations(client))
}

// complete makes the configuration complete.
func complete(ctx context.Context, configurations *limiterstore.Configurations) error {
	incarnation, err := configurations.Incomplete(ctx)
	if err != nil || incarnation == "" {
		return err
	}
	return configurations.Complete(ctx, incarnation)
}

func idOf(document any) (limiterv1.DocumentID, error) {
	switch d := document.(type) {
	case limiterv1.Tenant:
		return limiterv1.DocumentID{Kind: limiterv1.TenantDocument, Name: d.Tenant}, nil
	case limiterv1.Provider:
		return limiterv1.DocumentID{Kind: limiterv1.ProviderDocument, Name: d.Name}, nil
	case limiterv1.Credential:
		return limiterv1.DocumentID{Kind: limiterv1.CredentialDocument, Name: limiterv1.CredentialName(d.Namespace(), d.SHA256)}, nil
	case limiterv1.IdentityProvider:
		return limiterv1.DocumentID{Kind: limiterv1.IdentityDocument, Name: d.Name}, nil
	case limiterv1.Members:
		return limiterv1.DocumentID{Kind: limiterv1.MembersDocument, Name: d.Name}, nil
	}
	return limiterv1.DocumentID{}, fmt.Errorf("%T is no document", document)
}

// completeEpoch makes valid the first epoch, if there is none.
func completeEpoch(ctx context.Context, epochs *limiterstore.Epochs) error {
	found, err := epochs.Inspect(ctx)
	if err != nil || found.Epoch.Number > 0 {
		return err
	}
	if err := epochs.Begin(ctx, found.Epoch, 1, found.Runs()); err != nil {
		return err
	}
	return epochs.Complete(ctx, 1, found.Runs(), nil)
}

// resume makes the counters of a tenant and its ancestors valid. It sets them to zero: the ledger
// has no calls of theirs.
func resume(ctx context.Context, client redis.UniversalClient, tenant limiterv1.Tenant) error {
	epoch, err := limiterstore.NewEpochs(client).Current(ctx)
	if err != nil {
		return err
	}
	for _, level := range append([]limiterv1.Level{tenant.Level}, tenant.Ancestors...) {
		counters := limiterstore.TenantCounters{Root: tenant.Root(), Tenant: level.Tenant, Epoch: epoch}
		var wanted []string
		for _, limit := range level.Money {
			wanted = append(wanted, limiterv1.FieldOfAll(limit.Per, limiterv1.MoneyField(limit)))
		}
		suspended, err := limiterstore.NewCounters(client).SuspendTenant(ctx, counters, false, wanted...)
		if err != nil {
			return err
		}
		if suspended == nil {
			continue
		}
		nothing := map[string][]byte{}
		for _, field := range suspended.Missing {
			if !strings.HasPrefix(field, "money:") {
				continue // owners have counted nothing
			}
			nothing[field] = make([]byte, len(limiterv1.MoneyCounter{}.Encode())) // of a period long past
		}
		if err := suspended.Resume(ctx, nothing, suspended.Missing...); err != nil {
			return err
		}
	}
	return nil
}
