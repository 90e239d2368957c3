package analysis

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/acceptance"
	"github.com/bursar-dev/bursar/controllers/rules/index"
)

// Analyzer finds what is surely not meant in an object, beside those that a reader has.
type Analyzer struct {
	reader client.Reader
	now    func() time.Time

	mu sync.Mutex
	// catalogue is that of the providers in version, as it was at its hour: prices change with
	// time.
	catalogue Catalogue
	version   string
}

// NewAnalyzer makes an Analyzer. The reader is to be a cache with the indexes of package index.
func NewAnalyzer(reader client.Reader, now func() time.Time) *Analyzer {
	return &Analyzer{reader: reader, now: now}
}

// catalogueNow is the catalogue of the ModelProviders that there are.
func (a *Analyzer) catalogueNow(ctx context.Context) (Catalogue, error) {
	var providers v1alpha1.ModelProviderList
	if err := a.reader.List(ctx, &providers, client.UnsafeDisableDeepCopy); err != nil {
		return Catalogue{}, err
	}
	now := a.now()
	var version strings.Builder
	fmt.Fprint(&version, now.Truncate(time.Hour).Unix())
	for i := range providers.Items {
		p := &providers.Items[i]
		fmt.Fprintf(&version, " %s %d %t", p.UID, p.Generation, p.DeletionTimestamp.IsZero())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.version != version.String() {
		a.catalogue, a.version = NewCatalogue(providers.Items, now), version.String()
	}
	return a.catalogue, nil
}

// ModelProvider finds what is surely not meant in a ModelProvider.
func (a *Analyzer) ModelProvider(_ context.Context, provider *v1alpha1.ModelProvider) ([]Warning, error) {
	return OfModelProvider(provider, a.now()), nil
}

// TenantBudget finds what is surely not meant in a TenantBudget. The document is what it
// compiles to; nil where it is not accepted.
func (a *Analyzer) TenantBudget(ctx context.Context, budget *v1alpha1.TenantBudget, document *limiterv1.Tenant) ([]Warning, error) {
	catalogue, err := a.catalogueNow(ctx)
	if err != nil {
		return nil, err
	}
	around := Around{Catalogue: catalogue}
	if NamesTiers(budget.Spec) {
		keys, err := a.keysOf(ctx, budget)
		if err != nil {
			return nil, err
		}
		around.Tiers = tiersOf(keys)
	}
	return OfTenantBudget(budget, document, around), nil
}

// manyTargets is of how many targets of a policy the keys are not looked at.
const manyTargets = 100

// RateLimitPolicy finds what is surely not meant in a RateLimitPolicy that applies to targets.
func (a *Analyzer) RateLimitPolicy(
	ctx context.Context, policy *v1alpha1.RateLimitPolicy, budgets []*v1alpha1.TenantBudget,
) ([]Warning, error) {
	catalogue, err := a.catalogueNow(ctx)
	if err != nil {
		return nil, err
	}
	if len(budgets) > manyTargets {
		budgets = nil
	}
	var targets []Target
	for _, budget := range budgets {
		document, err := acceptance.DocumentWith(ctx, a.reader, budget, policy)
		if err != nil {
			return nil, err
		}
		if document == nil {
			continue
		}
		keys, err := a.ownKeys(ctx, client.ObjectKeyFromObject(budget))
		if err != nil {
			return nil, err
		}
		targets = append(targets, Target{*document, keys})
	}
	return OfRateLimitPolicy(policy, targets, catalogue), nil
}

// APIKey finds what is surely not meant in an APIKey.
func (a *Analyzer) APIKey(ctx context.Context, key *v1alpha1.APIKey) ([]Warning, error) {
	users, err := a.usersLike(ctx, key)
	if err != nil {
		return nil, err
	}
	document, err := a.documentOf(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Spec.BudgetRef.Name})
	if err != nil {
		return nil, err
	}
	return OfAPIKey(key, document, users), nil
}

// BudgetGrant finds what is surely not meant in a BudgetGrant for a budget, which is nil where
// there is none.
func (a *Analyzer) BudgetGrant(ctx context.Context, grant *v1alpha1.BudgetGrant, budget *v1alpha1.TenantBudget) ([]Warning, error) {
	var users []string
	if grant.Spec.User != "" && budget != nil {
		keys, err := a.listKeys(ctx, budget)
		if err != nil {
			return nil, err
		}
		for _, key := range keys {
			users = append(users, key.Spec.User)
		}
	}
	return OfBudgetGrant(grant, budget, users, a.now()), nil
}

// documentOf is what a budget compiles to; nil where there is none, or it is not accepted.
func (a *Analyzer) documentOf(ctx context.Context, name client.ObjectKey) (*limiterv1.Tenant, error) {
	budget := &v1alpha1.TenantBudget{}
	if err := a.reader.Get(ctx, name, budget); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	decided, err := acceptance.DecideTenantBudget(ctx, a.reader, budget)
	return decided.Document, err
}

// listKeys are the APIKeys of a budget, and of those below it. They are the cache's own: REQUIRES
// that nobody changes them.
func (a *Analyzer) listKeys(ctx context.Context, budget *v1alpha1.TenantBudget) ([]v1alpha1.APIKey, error) {
	budgets := []client.ObjectKey{client.ObjectKeyFromObject(budget)}
	below, err := index.Below(ctx, a.reader, budgets...)
	if err != nil {
		return nil, err
	}
	for i := range below {
		budgets = append(budgets, client.ObjectKeyFromObject(&below[i]))
	}
	var all []v1alpha1.APIKey
	for _, name := range budgets {
		keys, err := a.listOwnKeys(ctx, name)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

// listOwnKeys are the APIKeys of a budget, which are as those of listKeys.
func (a *Analyzer) listOwnKeys(ctx context.Context, budget client.ObjectKey) ([]v1alpha1.APIKey, error) {
	var keys v1alpha1.APIKeyList
	err := a.reader.List(ctx, &keys, client.UnsafeDisableDeepCopy,
		client.InNamespace(budget.Namespace), client.MatchingFields{index.KeyBudget: budget.Name})
	return keys.Items, err
}

func (a *Analyzer) ownKeys(ctx context.Context, budget client.ObjectKey) ([]Key, error) {
	all, err := a.listOwnKeys(ctx, budget)
	return named(all), err
}

func (a *Analyzer) keysOf(ctx context.Context, budget *v1alpha1.TenantBudget) ([]Key, error) {
	all, err := a.listKeys(ctx, budget)
	return named(all), err
}

// named are the names of keys, with their tiers.
func named(all []v1alpha1.APIKey) []Key {
	var keys []Key
	for i := range all {
		keys = append(keys, Key{index.KeyOf(&all[i]), string(all[i].Spec.Tier)})
	}
	return keys
}

// OutdatedKeys are the APIKeys of a budget whose condition Warning says something else than what
// is found now.
func (a *Analyzer) OutdatedKeys(ctx context.Context, budget client.ObjectKey) (outdated []client.ObjectKey, err error) {
	keys, err := a.listOwnKeys(ctx, budget)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	document, err := a.documentOf(ctx, budget)
	if err != nil {
		return nil, err
	}
	for i := range keys {
		key := &keys[i]
		users, err := a.usersLike(ctx, key)
		if err != nil {
			return nil, err
		}
		is, was := Verdict(OfAPIKey(key, document, users)), meta.FindStatusCondition(key.Status.Conditions, v1alpha1.ConditionWarning)
		if was == nil || was.Status != is.Status || was.Message != is.Message {
			outdated = append(outdated, client.ObjectKeyFromObject(key))
		}
	}
	return outdated, nil
}

// usersLike are the users of the namespace's keys that differ from a key's in their case at most.
func (a *Analyzer) usersLike(ctx context.Context, key *v1alpha1.APIKey) (users []string, err error) {
	var keys v1alpha1.APIKeyList
	err = a.reader.List(ctx, &keys, client.UnsafeDisableDeepCopy,
		client.InNamespace(key.Namespace), client.MatchingFields{index.KeyUser: strings.ToLower(key.Spec.User)})
	for i := range keys.Items {
		users = append(users, keys.Items[i].Spec.User)
	}
	return users, err
}
