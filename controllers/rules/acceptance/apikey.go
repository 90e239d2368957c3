package acceptance

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/callers"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/precedence"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// APIKey is what was decided of an APIKey.
type APIKey struct {
	Decision
	// Documents tell the enforcers whose calls those with the keys are, one for each key; nil if the
	// keys are not to work.
	Documents []limiterv1.Credential
	// Forfeited is set when what the key programmed before must not stay in force.
	Forfeited bool
	// Tenant is that of the budget which the key names, the only one that it charges; empty if there
	// is none.
	Tenant string
}

// DecideAPIKey decides whether the key is to work, and compiles it if so.
func DecideAPIKey(ctx context.Context, reader client.Reader, key *v1alpha1.APIKey) (APIKey, error) {
	for i, hash := range key.Hashes() {
		older, err := olderHolder(ctx, reader, key, hash)
		if err != nil {
			return APIKey{}, err
		}
		if older != nil {
			return APIKey{Forfeited: true, Decision: rejected(v1alpha1.ReasonConflicted,
				field.Invalid(pathOfHash(i), hash, fmt.Sprintf("already governed by the older APIKey %s in this namespace: make a key of its own with kubectl budget key create", older.Name)))}, nil
		}
	}
	path := field.NewPath("spec", "budgetRef", "name")
	budget, rejection, err := target(ctx, reader, types.NamespacedName{Namespace: key.Namespace, Name: key.Spec.BudgetRef.Name}, path)
	switch {
	case err != nil:
		return APIKey{}, err
	case rejection != nil:
		return APIKey{Decision: *rejection, Forfeited: true}, nil
	}
	if verdict := TargetVerdict(budget, path); !verdict.Holds() {
		// A budget that is invalid, or that the controller has not looked at yet, takes nothing from
		// its keys. With any other, the tenant is somebody else's.
		return APIKey{Decision: Decision{Verdict: verdict}, Forfeited: MayNotNameTenant(budget), Tenant: budget.Spec.Tenant}, nil
	}
	return APIKey{Decision: accepted(), Documents: callers.Credentials(key, budget.Spec.Tenant), Tenant: budget.Spec.Tenant}, nil
}

// pathOfHash is the field of the hash at the index of Hashes.
func pathOfHash(index int) *field.Path {
	if index == 0 {
		return field.NewPath("spec", "sha256")
	}
	return field.NewPath("spec", "previousKeys").Index(index - 1).Child("sha256")
}

// olderHolder is the APIKey of the namespace that has a hash of the given one because it
// is older; nil if there is none. It does not matter here whether another namespace has
// the hash, and nobody may learn that: enforcers tell by the key itself whose it is.
func olderHolder(ctx context.Context, reader client.Reader, key *v1alpha1.APIKey, hash string) (*v1alpha1.APIKey, error) {
	var rivals v1alpha1.APIKeyList
	err := reader.List(ctx, &rivals, client.InNamespace(key.Namespace), client.MatchingFields{index.KeyHash: hash})
	if err != nil {
		return nil, err
	}
	holder := key
	for i := range rivals.Items {
		if rival := &rivals.Items[i]; precedence.Compare(rival, holder) < 0 {
			holder = rival
		}
	}
	if holder.UID == key.UID {
		return nil, nil
	}
	return holder, nil
}

// target is the TenantBudget that an object names at path, or why the object is to
// have no effect without it.
func target(
	ctx context.Context, reader client.Reader, key types.NamespacedName, path *field.Path,
) (*v1alpha1.TenantBudget, *Decision, error) {
	budget := &v1alpha1.TenantBudget{}
	err := reader.Get(ctx, key, budget)
	switch {
	case err == nil && !budget.DeletionTimestamp.IsZero():
		missing := field.NotFound(path, key.Name)
		missing.Detail = fmt.Sprintf("TenantBudget %s is being deleted", key.Name)
		return nil, reject(v1alpha1.ReasonTargetNotFound, missing), nil
	case apierrors.IsNotFound(err):
		missing, err := noBudget(ctx, reader, key, path)
		if err != nil {
			return nil, nil, err
		}
		return nil, reject(v1alpha1.ReasonTargetNotFound, missing), nil
	case err != nil:
		return nil, nil, err
	}
	return budget, nil, nil
}

// mostGuessed is about how many budgets a namespace may have for a missing name to be compared with
// theirs. With thousands, objects that come before their budgets would each have all of them read.
const mostGuessed = 1000

// noBudget is the error of an object that, at path, names a missing TenantBudget of its own
// namespace. It suggests the nearest name if the namespace has no more than mostGuessed.
func noBudget(ctx context.Context, reader client.Reader, key types.NamespacedName, path *field.Path) (*field.Error, error) {
	missing := field.NotFound(path, key.Name)
	missing.Detail = fmt.Sprintf("namespace %s has no TenantBudget of this name", key.Namespace)
	if many, err := hasMany(ctx, reader, key.Namespace); err != nil || many {
		return missing, err
	}
	var there v1alpha1.TenantBudgetList
	err := reader.List(ctx, &there, client.UnsafeDisableDeepCopy, client.InNamespace(key.Namespace))
	if err != nil {
		return nil, err
	}
	var names []string
	for i := range there.Items {
		if budget := &there.Items[i]; budget.DeletionTimestamp.IsZero() {
			names = append(names, budget.Name)
		}
	}
	if len(names) > 0 {
		missing.Detail += verdict.DidYouMeanOr("; it has ", key.Name, names)
	}
	return missing, nil
}

// hasMany reports whether a namespace has more than about mostGuessed budgets, by a sample of them.
func hasMany(ctx context.Context, reader client.Reader, namespace string) (bool, error) {
	const most = mostGuessed / index.SampleOf
	var sample v1alpha1.TenantBudgetList
	err := reader.List(ctx, &sample, client.UnsafeDisableDeepCopy, client.InNamespace(namespace),
		client.MatchingFields{index.BudgetSample: index.InSample}, client.Limit(most+1))
	return len(sample.Items) > most, err
}
