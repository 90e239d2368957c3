package setup_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// script is a sequence of changes of objects of all kinds, which a seed decides. Its end
// state does not depend on how fast the manager follows: before a change that leaves in force
// what was there before, the script waits until that is in force; and after a change on which
// the next ones depend, it waits until that has taken effect.
type script struct {
	rand      *rand.Rand
	namespace string
	// there are the objects that there are now.
	there map[string]object
	// spoiled is set while budget-0 is invalid.
	spoiled bool
}

func newScript(seed int, namespace string) *script {
	return &script{
		rand:      rand.New(rand.NewPCG(uint64(seed), 2)),
		namespace: namespace, there: map[string]object{},
	}
}

// changes is how many changes a script makes.
const changes = 14

// run makes the changes, and returns the objects that are left.
func (s *script) run(ctx context.Context) ([]object, error) {
	for range changes {
		kinds := []func(context.Context) error{
			s.changeBudget, s.changeBudget, s.spoilBudget, s.changeChild, s.changePolicy, s.changeKey, s.changeProvider, s.changeRival,
			s.changeGrant, s.changeGrant, s.deleteAny, s.deleteAny,
		}
		if err := kinds[s.rand.IntN(len(kinds))](ctx); err != nil {
			return nil, err
		}
	}
	var left []object
	for _, o := range s.there {
		left = append(left, o)
	}
	return left, nil
}

// changeBudget makes one of two budgets, or gives it other limits.
func (s *script) changeBudget(ctx context.Context) error {
	b := objects.TenantBudget(s.namespace)
	b.Name = fmt.Sprintf("budget-%d", s.rand.IntN(2))
	b.Spec.Tenant = s.namespace + "-" + b.Name
	b.Spec.Limits[0].Amount = v1alpha1.Amount(fmt.Sprint(1 + s.rand.IntN(9)))
	b.Spec.Limits = b.Spec.Limits[:1+s.rand.IntN(3)]
	s.spoiled = s.spoiled && b.Name != "budget-0"
	return s.put(ctx, b)
}

// spoilBudget makes a budget invalid: what it programmed stays in force.
func (s *script) spoilBudget(ctx context.Context) error {
	b, ok := s.there["budget-0"].(*v1alpha1.TenantBudget)
	if !ok {
		return nil
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	spoiled := objects.TenantBudget(s.namespace)
	spoiled.Name = b.Name
	b.Spec.DeepCopyInto(&spoiled.Spec)
	spoiled.Spec.TimeZone = "Mars/Olympus_Mons"
	s.spoiled = true
	if err := s.put(ctx, spoiled); err != nil {
		return err
	}
	return s.settle(ctx)
}

// changeChild makes or changes a budget below another, which may not be there.
func (s *script) changeChild(ctx context.Context) error {
	b := objects.TenantBudget(s.namespace)
	b.Name, b.Spec.Tenant = "child", s.namespace+"-child"
	b.Spec.ParentRef = &v1alpha1.ParentRef{Name: "budget-1"}
	b.Spec.Limits[0].Amount = v1alpha1.Amount(fmt.Sprint(1 + s.rand.IntN(9)))
	return s.put(ctx, b)
}

// changeRival makes a budget that names the tenant of another budget. It conflicts with that
// older one; if there is none, it has the tenant.
func (s *script) changeRival(ctx context.Context) error {
	if s.there["budget-0"] == nil || s.there["rival"] != nil {
		return nil
	}
	b := objects.TenantBudget(s.namespace)
	b.Name, b.Spec.Tenant = "rival", s.namespace+"-budget-0"
	return s.put(ctx, b)
}

func (s *script) changePolicy(ctx context.Context) error {
	p := objects.RateLimitPolicy(s.namespace, "policy")
	p.Spec.TargetRef.Name = "budget-0"
	requests := int64(1 + s.rand.IntN(9))
	p.Spec.Limits[0].Requests = &requests
	return s.put(ctx, p)
}

func (s *script) changeKey(ctx context.Context) error {
	if err := s.settle(ctx); err != nil {
		return err
	}
	k := objects.APIKey(s.namespace, "key")
	k.Spec.BudgetRef.Name = fmt.Sprintf("budget-%d", s.rand.IntN(2))
	return s.put(ctx, k)
}

// changeGrant grants a budget more, in the place of what was granted before.
func (s *script) changeGrant(ctx context.Context) error {
	if err := s.delete(ctx, "grant"); err != nil {
		return err
	}
	g := newGrant(s.namespace, "grant", 0)
	g.Spec.BudgetRef.Name = fmt.Sprintf("budget-%d", s.rand.IntN(2))
	g.Spec.Amount = v1alpha1.Amount(fmt.Sprint(1 + s.rand.IntN(9)))
	g.Spec.ExpiresAt = metav1.NewTime(time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC)) // the same each time
	return s.put(ctx, g)
}

// changeProvider makes or changes one of two providers of the same model.
func (s *script) changeProvider(ctx context.Context) error {
	name := "provider-0"
	if s.there[name] != nil && s.rand.IntN(2) == 0 {
		name = "provider-1"
	}
	p := objects.ModelProvider(s.namespace + "/model")
	p.Name = s.namespace + "-" + name
	p.Spec.Models[0].Prices.Input = v1alpha1.Price(fmt.Sprint(1 + s.rand.IntN(9)))
	return s.putAs(ctx, name, p)
}

// deleteAny deletes an object, before those that want what it had.
func (s *script) deleteAny(ctx context.Context) error {
	names := []string{"budget-0", "budget-1", "child", "policy", "key", "grant", "provider-0", "provider-1", "rival"}
	name := names[s.rand.IntN(len(names))]
	if s.there[name] == nil {
		return nil
	}
	if err := s.delete(ctx, name); err != nil {
		return err
	}
	switch name {
	case "budget-0":
		s.spoiled = false
		// Otherwise, whether the rival is older than a budget made anew would depend on a second.
		if err := s.deleteWith(ctx, "rival"); err != nil {
			return err
		}
		return s.miss(ctx, name)
	case "budget-1":
		return s.miss(ctx, name)
	case "provider-0":
		return s.deleteWith(ctx, "provider-1")
	}
	return nil
}

// miss waits until the manager has noticed that a budget was deleted, which its cache may
// show late: until a key finds no budget.
func (s *script) miss(ctx context.Context, budget string) error {
	witness := objects.APIKey(s.namespace, "witness")
	witness.Spec.BudgetRef.Name = budget
	if err := api.Create(ctx, witness); err != nil {
		return err
	}
	err := poll(ctx, func(ctx context.Context) (bool, error) {
		err := get(ctx, witness)
		accepted := meta.FindStatusCondition(witness.Status.Conditions, v1alpha1.ConditionAccepted)
		return accepted != nil && accepted.Reason == v1alpha1.ReasonTargetNotFound, err
	})
	if err != nil {
		return fmt.Errorf("%s: %s is still there for a key: %w: %+v", s.namespace, budget, err, witness.Status.Conditions)
	}
	return deleted(ctx, witness)
}

// delete deletes an object, if it is there, when the enforcers have what is valid.
func (s *script) delete(ctx context.Context, name string) error {
	if s.there[name] == nil {
		return nil
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	return s.deleteWith(ctx, name)
}

func (s *script) deleteWith(ctx context.Context, name string) error {
	o := s.there[name]
	if o == nil {
		return nil
	}
	delete(s.there, name)
	return deleted(ctx, o)
}

// isValid reports whether an object that is there gets to the enforcers.
func (s *script) isValid(name string) bool {
	switch o := s.there[name].(type) {
	case *v1alpha1.RateLimitPolicy:
		return s.there["budget-0"] != nil && !s.spoiled
	case *v1alpha1.APIKey:
		return s.there[o.Spec.BudgetRef.Name] != nil && s.isValid(o.Spec.BudgetRef.Name)
	case *v1alpha1.BudgetGrant:
		return s.there[o.Spec.BudgetRef.Name] != nil && s.isValid(o.Spec.BudgetRef.Name)
	}
	switch name {
	case "budget-0":
		return !s.spoiled
	case "child":
		return s.there["budget-1"] != nil
	}
	return name != "rival" && name != "provider-1"
}

// pollTimeout is how long the control plane may take for one step. It is long because a
// tenth of all requests fail: every reconcile meets a failure, and after several of them there
// are ten seconds between two reconciles.
const pollTimeout = 5 * time.Minute

// deleted deletes an object and waits until it is gone.
func deleted(ctx context.Context, o object) error {
	if err := api.Delete(ctx, o); err != nil {
		return client.IgnoreNotFound(err)
	}
	return poll(ctx, func(ctx context.Context) (bool, error) {
		err := get(ctx, o)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

func poll(ctx context.Context, done wait.ConditionWithContextFunc) error {
	return wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, pollTimeout, true, done)
}

func (s *script) put(ctx context.Context, o object) error { return s.putAs(ctx, o.GetName(), o) }

// putAs makes the object, or makes the one that is there like it.
func (s *script) putAs(ctx context.Context, name string, o object) error {
	was := s.there[name]
	s.there[name] = o
	if was == nil {
		return api.Create(ctx, o)
	}
	return poll(ctx, func(ctx context.Context) (bool, error) {
		if err := get(ctx, was); err != nil {
			return false, err
		}
		o.SetResourceVersion(was.GetResourceVersion())
		o.SetFinalizers(was.GetFinalizers())
		o.SetUID(was.GetUID())
		err := api.Update(ctx, o)
		if apierrors.IsConflict(err) {
			return false, nil
		}
		return true, err
	})
}

// settle waits until each object was seen in the state that it must reach, because the next
// changes may depend on it. The objects need not all be so at the same time: while requests fail,
// they seldom are.
func (s *script) settle(ctx context.Context) error {
	for name, o := range s.there {
		err := poll(ctx, func(ctx context.Context) (bool, error) {
			err := get(ctx, o)
			return s.isJudged(name), err
		})
		if err != nil {
			return fmt.Errorf("%s %s is not settled: %w: %+v", s.namespace, name, err, o.GetProgrammedStatus().Conditions)
		}
	}
	return nil
}

// isJudged reports whether an object, as it was read last, is programmed, if it is
// valid, and otherwise refused.
func (s *script) isJudged(name string) bool {
	o := s.there[name]
	if s.isValid(name) {
		return conditions.IsProgrammed(o)
	}
	accepted := meta.FindStatusCondition(o.GetProgrammedStatus().Conditions, v1alpha1.ConditionAccepted)
	return accepted != nil && accepted.Status == metav1.ConditionFalse && accepted.ObservedGeneration == o.GetGeneration()
}

func (s *script) areAllJudged() bool {
	for name := range s.there {
		if !s.isJudged(name) {
			return false
		}
	}
	return true
}
