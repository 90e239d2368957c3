package sweep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bursar-dev/bursar/api/documents"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

const (
	// every is how often the Sweeper sweeps, and timeout how long one sweep may take.
	every   = 3 * time.Minute
	timeout = 2 * time.Minute
	// retry is after how long a sweep that has failed is tried again.
	retry = 10 * time.Second
	// lookEvery is how often the Sweeper checks whether the configuration was restored.
	lookEvery = time.Second
)

// Documents are the documents that enforcers run.
type Documents interface {
	Owners(ctx context.Context) (map[limiterv1.DocumentID]limiterv1.Source, error)
	Incarnation(ctx context.Context) (string, error)
	Position(ctx context.Context) (documents.Position, error)
	Prune(ctx context.Context, upTo documents.Position) (pruned int64, err error)
	Withdraw(ctx context.Context, id limiterv1.DocumentID, uid string) (bool, error)
}

// Limits are the rows of budgets.
type Limits interface {
	Open(ctx context.Context) ([]budgetstore.Owner, error)
	Close(ctx context.Context, tenant, uid string) error
}

// Grants are the rows of grants.
type Grants interface {
	Open(ctx context.Context) ([]budgetstore.Owner, error)
	Close(ctx context.Context, uid string) (closed bool, err error)
}

// Sweeper withdraws what is still in force of objects that are gone.
type Sweeper struct {
	cache     client.Reader
	documents Documents
	limits    Limits
	grants    Grants
	orphans   rollout.Orphans
	// swept is the incarnation of the configuration that was swept last.
	swept string
	// prunable is the position up to which the next sweep prunes withdrawn documents: every live
	// enforcer has read that far by then.
	prunable documents.Position
}

// New makes a Sweeper.
func New(cache client.Reader, inForce Documents, limits Limits, grants Grants, orphans rollout.Orphans) *Sweeper {
	return &Sweeper{cache: cache, documents: inForce, limits: limits, grants: grants, orphans: orphans}
}

// NeedLeaderElection keeps all but the leader out.
func (s *Sweeper) NeedLeaderElection() bool { return true }

// Start sweeps at once, and every few minutes until ctx ends. It also sweeps as soon as the
// configuration was restored, because the copy may be older than the end of an object.
func (s *Sweeper) Start(ctx context.Context) error {
	for ctx.Err() == nil {
		pause := rollout.Jitter(every)
		incarnation, _ := s.documents.Incarnation(ctx) // empty where that is not known: it is swept again
		if err := s.Sweep(ctx); err != nil {
			log.FromContext(ctx).Error(err, "Failed to look for what deleted objects still have in force")
			pause = rollout.Jitter(retry)
		}
		s.swept = incarnation
		s.await(ctx, pause)
	}
	return nil
}

// await waits for a pause, or until there is another configuration than was swept.
func (s *Sweeper) await(ctx context.Context, pause time.Duration) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for until := time.Now().Add(pause); time.Now().Before(until); {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if incarnation, err := s.documents.Incarnation(ctx); err == nil && incarnation != "" && incarnation != s.swept {
			return
		}
	}
}

// owned is what an object has in force.
type owned struct {
	limiterv1.Source
	// document is which it is, where it is a document.
	document limiterv1.DocumentID
	withdraw func(ctx context.Context) (bool, error)
}

// Sweep withdraws what is still in force of objects that are gone. It reads what is in force before it
// looks for the objects, each of which existed by then.
func (s *Sweeper) Sweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	ofDocuments, documentsErr := s.ofDocuments(ctx)
	rows, rowsErr := s.ofRows(ctx)
	failed := []error{documentsErr, rowsErr}
	present := map[string]sets.Set[types.UID]{}
	for _, o := range append(ofDocuments, rows...) {
		known, found := present[o.Kind]
		if !found {
			var err error
			if known, err = s.uids(ctx, o.Kind); err != nil {
				failed = append(failed, err)
			}
			present[o.Kind] = known // nil where it is not known
		}
		if known == nil || known.Has(types.UID(o.UID)) {
			continue
		}
		object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, UID: types.UID(o.UID)}}
		failed = append(failed, s.orphans.Withdraw(ctx, o.Kind, object, o.withdraw))
	}
	failed = append(failed, s.sweepKeys(ctx, ofDocuments), s.prune(ctx))
	return errors.Join(failed...)
}

// prune takes documents out of the changes that were withdrawn before the sweep before.
func (s *Sweeper) prune(ctx context.Context) error {
	now, err := s.documents.Position(ctx)
	if err != nil {
		return err
	}
	upTo := s.prunable
	s.prunable = now
	if upTo.Incarnation == "" {
		return nil
	}
	pruned, err := s.documents.Prune(ctx, upTo)
	if pruned > 0 {
		log.FromContext(ctx).Info("Pruned documents that were withdrawn from the changes of the configuration", "documents", pruned)
	}
	return err
}

// sweepKeys withdraws keys that their APIKeys no longer have. The controller does that
// itself, unless the manager died after it had programmed a key and before the status said
// so.
func (s *Sweeper) sweepKeys(ctx context.Context, ofDocuments []owned) error {
	var keys v1alpha1.APIKeyList
	if err := s.cache.List(ctx, &keys, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list the APIKeys: %w", err)
	}
	has := map[string]sets.Set[string]{}
	for i := range keys.Items {
		names := sets.New[string]()
		for _, hash := range keys.Items[i].Hashes() {
			names.Insert(limiterv1.CredentialName(keys.Items[i].Namespace, hash))
		}
		has[string(keys.Items[i].UID)] = names
	}
	var failed []error
	for _, o := range ofDocuments {
		if names, found := has[o.UID]; found && !names.Has(o.document.Name) {
			_, err := o.withdraw(ctx)
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// uids are the UIDs of all objects of a kind that the cache has.
func (s *Sweeper) uids(ctx context.Context, kind string) (sets.Set[types.UID], error) {
	list, err := listOf(kind)
	if err != nil {
		return nil, err
	}
	if err := s.cache.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list the %ss: %w", kind, err)
	}
	uids := sets.New[types.UID]()
	err = meta.EachListItem(list, func(item runtime.Object) error {
		object, err := meta.Accessor(item)
		if err == nil {
			uids.Insert(object.GetUID())
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the %ss: %w", kind, err)
	}
	return uids, nil
}

// listOf is an empty list of the objects of a kind that have something in force of their own.
// RateLimitPolicies have not: they are part of the documents of their budgets.
func listOf(kind string) (client.ObjectList, error) {
	switch kind {
	case "TenantBudget":
		return &v1alpha1.TenantBudgetList{}, nil
	case "ModelProvider":
		return &v1alpha1.ModelProviderList{}, nil
	case "APIKey":
		return &v1alpha1.APIKeyList{}, nil
	case "BudgetGrant":
		return &v1alpha1.BudgetGrantList{}, nil
	case "IdentityProvider":
		return &v1alpha1.IdentityProviderList{}, nil
	case "Membership":
		return &v1alpha1.MembershipList{}, nil
	}
	return nil, fmt.Errorf("unknown kind %q: nothing of it is withdrawn", kind)
}

func (s *Sweeper) ofDocuments(ctx context.Context) ([]owned, error) {
	owners, err := s.documents.Owners(ctx)
	if err != nil {
		return nil, err
	}
	var all []owned
	for id, source := range owners {
		all = append(all, owned{Source: source, document: id, withdraw: func(ctx context.Context) (bool, error) {
			return s.documents.Withdraw(ctx, id, source.UID)
		}})
	}
	return all, nil
}

func (s *Sweeper) ofRows(ctx context.Context) ([]owned, error) {
	budgets, budgetsErr := s.limits.Open(ctx)
	grants, grantsErr := s.grants.Open(ctx)
	var all []owned
	for _, row := range budgets {
		all = append(all, owned{Source: sourceOf("TenantBudget", row), withdraw: func(ctx context.Context) (bool, error) {
			err := s.limits.Close(ctx, row.Tenant, row.UID)
			return err == nil, err
		}})
	}
	for _, row := range grants {
		all = append(all, owned{Source: sourceOf("BudgetGrant", row), withdraw: func(ctx context.Context) (bool, error) {
			return s.grants.Close(ctx, row.UID)
		}})
	}
	return all, errors.Join(budgetsErr, grantsErr)
}

func sourceOf(kind string, row budgetstore.Owner) limiterv1.Source {
	return limiterv1.Source{Kind: kind, Namespace: row.Namespace, Name: row.Name, UID: row.UID}
}
