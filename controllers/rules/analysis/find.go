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
	if around.Succession, err = a.succession(ctx, budget); err != nil {
		return nil, err
	}
	if NamesCallers(budget.Spec) {
		budgets, err := a.withBelow(ctx, budget)
		if err != nil {
			return nil, err
		}
		callers, err := a.callers(ctx, budgets...)
		if err != nil {
			return nil, err
		}
		tokens, err := a.tokens(ctx)
		if err != nil {
			return nil, err
		}
		around.Tiers, around.Groups = tiersOf(callers), groupsOf(callers, tokens)
	}
	return OfTenantBudget(budget, document, around), nil
}

// manyTargets is the most targets of a policy whose callers are looked at.
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
		callers, err := a.callers(ctx, client.ObjectKeyFromObject(budget))
		if err != nil {
			return nil, err
		}
		targets = append(targets, Target{*document, callers})
	}
	tokens, err := a.tokens(ctx)
	return OfRateLimitPolicy(policy, targets, catalogue, tokens), err
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

// Membership finds what is surely not meant in a Membership.
func (a *Analyzer) Membership(ctx context.Context, membership *v1alpha1.Membership) ([]Warning, error) {
	document, err := a.documentOf(ctx, client.ObjectKey{Namespace: membership.Namespace, Name: membership.Spec.BudgetRef.Name})
	return OfMembership(membership, document), err
}

// BudgetGrant finds what is surely not meant in a BudgetGrant for a budget, which is nil where
// there is none.
func (a *Analyzer) BudgetGrant(ctx context.Context, grant *v1alpha1.BudgetGrant, budget *v1alpha1.TenantBudget) ([]Warning, error) {
	var users []string
	if grant.Spec.User != "" && budget != nil {
		var err error
		if users, err = a.usersOf(ctx, budget); err != nil {
			return nil, err
		}
	}
	return OfBudgetGrant(grant, budget, users, a.now()), nil
}

// usersOf are the users of a budget's keys, and of the keys below it.
func (a *Analyzer) usersOf(ctx context.Context, budget *v1alpha1.TenantBudget) (users []string, err error) {
	budgets, err := a.withBelow(ctx, budget)
	if err != nil {
		return nil, err
	}
	keys, err := a.listKeys(ctx, budgets...)
	for i := range keys {
		users = append(users, keys[i].Spec.User)
	}
	return users, err
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

// withBelow are the names of a budget and of those below it.
func (a *Analyzer) withBelow(ctx context.Context, budget *v1alpha1.TenantBudget) ([]client.ObjectKey, error) {
	budgets := []client.ObjectKey{client.ObjectKeyFromObject(budget)}
	below, err := index.Below(ctx, a.reader, budgets...)
	for i := range below {
		budgets = append(budgets, client.ObjectKeyFromObject(&below[i]))
	}
	return budgets, err
}

// listKeys are the APIKeys of budgets. They are the cache's own objects. REQUIRES: nobody changes
// them.
func (a *Analyzer) listKeys(ctx context.Context, budgets ...client.ObjectKey) (all []v1alpha1.APIKey, err error) {
	for _, name := range budgets {
		var keys v1alpha1.APIKeyList
		err := a.reader.List(ctx, &keys, client.UnsafeDisableDeepCopy,
			client.InNamespace(name.Namespace), client.MatchingFields{index.KeyBudget: name.Name})
		if err != nil {
			return nil, err
		}
		all = append(all, keys.Items...)
	}
	return all, nil
}

// members are the members of the tenants of budgets, as Memberships name them. A member whose tier
// comes with the token has none here.
func (a *Analyzer) members(ctx context.Context, budgets ...client.ObjectKey) (all []Caller, err error) {
	for _, name := range budgets {
		var memberships v1alpha1.MembershipList
		err := a.reader.List(ctx, &memberships, client.UnsafeDisableDeepCopy,
			client.InNamespace(name.Namespace), client.MatchingFields{index.MembershipBudget: name.Name})
		if err != nil {
			return nil, err
		}
		for i := range memberships.Items {
			for _, member := range memberships.Items[i].Spec.Members {
				groups := textsOf(member.Groups)
				if member.Group != "" {
					groups = append(groups, member.Group)
				}
				all = append(all, callersOf("a member in Membership "+index.KeyOf(&memberships.Items[i]), member.Tier, groups, member.ActFor)...)
			}
		}
	}
	return all, nil
}

// callers are the keys and the members that may call for the tenants of budgets.
func (a *Analyzer) callers(ctx context.Context, budgets ...client.ObjectKey) ([]Caller, error) {
	keys, err := a.listKeys(ctx, budgets...)
	if err != nil {
		return nil, err
	}
	callers, err := a.members(ctx, budgets...)
	for i := range keys {
		callers = append(callers, callersOf("APIKey "+index.KeyOf(&keys[i]), keys[i].Spec.Tier, textsOf(keys[i].Spec.Groups), keys[i].Spec.ActFor)...)
	}
	return callers, err
}

// callersOf are the callers with one credential: one with its own tier, and one with each tier that
// it may name.
func callersOf(credential string, tier v1alpha1.Tier, groups []string, actFor *v1alpha1.ActFor) []Caller {
	callers := []Caller{{credential, string(tier), groups}}
	if actFor != nil {
		for _, tier := range actFor.Tiers {
			callers = append(callers, Caller{credential, string(tier), groups})
		}
	}
	return callers
}

func textsOf[T ~string](names []T) (texts []string) {
	for _, name := range names {
		texts = append(texts, string(name))
	}
	return texts
}

// OutdatedKeys are the APIKeys of a budget whose condition Warning differs from what is found now.
func (a *Analyzer) OutdatedKeys(ctx context.Context, budget client.ObjectKey) (outdated []client.ObjectKey, err error) {
	keys, err := a.listKeys(ctx, budget)
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

// usersLike are the users of the namespace's keys that are the same as a key's, except for upper
// and lower case.
func (a *Analyzer) usersLike(ctx context.Context, key *v1alpha1.APIKey) (users []string, err error) {
	var keys v1alpha1.APIKeyList
	err = a.reader.List(ctx, &keys, client.UnsafeDisableDeepCopy,
		client.InNamespace(key.Namespace), client.MatchingFields{index.KeyUser: strings.ToLower(key.Spec.User)})
	for i := range keys.Items {
		users = append(users, keys.Items[i].Spec.User)
	}
	return users, err
}
