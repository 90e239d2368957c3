package setup_test

import (
	"context"
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// newNamespace makes a namespace that no other test knows; it is the tenant, too.
func newNamespace(ctx context.Context, labels ...string) string {
	GinkgoHelper()
	namespace := objects.Namespace(labels...)
	Expect(api.Create(ctx, namespace)).To(Succeed())
	return namespace.Name
}

// create creates the object and, when the test ends, deletes it and waits until it is gone.
func create(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Expect(api.Create(ctx, object)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		remove(ctx, object)
	})
}

// remove deletes the object and waits until nothing holds it any more.
func remove(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(api.Delete(ctx, object))).To(Succeed())
	Eventually(ctx, func() error { return get(ctx, object) }).Should(Satisfy(apierrors.IsNotFound))
}

func get(ctx context.Context, object client.Object) error {
	return api.Get(ctx, client.ObjectKeyFromObject(object), object)
}

// update changes the object's spec, whatever else has changed meanwhile.
func update[T client.Object](ctx context.Context, object T, change func(T)) {
	GinkgoHelper()
	Eventually(ctx, func() error {
		if err := get(ctx, object); err != nil {
			return err
		}
		change(object)
		return api.Update(ctx, object)
	}).Should(Succeed())
}

// object is an object of any kind that has conditions.
type object interface {
	client.Object
	conditions.Object
}

// condition reads a condition of the object's present generation, as "Status Reason". If
// there is none, the result says so.
func condition(ctx context.Context, o object, conditionType string) func() string {
	return func() string {
		if err := get(ctx, o); err != nil {
			return err.Error()
		}
		found := meta.FindStatusCondition(o.GetProgrammedStatus().Conditions, conditionType)
		switch {
		case found == nil:
			return "no condition " + conditionType
		case found.ObservedGeneration != o.GetGeneration():
			return fmt.Sprintf("generation %d, is %d", found.ObservedGeneration, o.GetGeneration())
		}
		return string(found.Status) + " " + found.Reason
	}
}

func expectCondition(ctx context.Context, o object, conditionType, want string) {
	GinkgoHelper()
	Eventually(ctx, condition(ctx, o, conditionType)).Should(Equal(want), "%s of %s", conditionType, o.GetName())
}

func message(o object, conditionType string) string {
	if found := meta.FindStatusCondition(o.GetProgrammedStatus().Conditions, conditionType); found != nil {
		return found.Message
	}
	return ""
}

func expectProgrammed(ctx context.Context, o object) {
	GinkgoHelper()
	expectCondition(ctx, o, v1alpha1.ConditionProgrammed, "True Programmed")
}

// expectHeld expects an object to have Bursar's finalizer, or not.
func expectHeld(ctx context.Context, o object, want bool) {
	GinkgoHelper()
	Eventually(ctx, func() (bool, error) {
		err := get(ctx, o)
		return rollout.HasFinalizer(o), err
	}).Should(Equal(want))
}

// firstLimit is the status of a budget's first limit; empty while the status of the budget
// has no limits.
func firstLimit(ctx context.Context, budget *v1alpha1.TenantBudget) func() v1alpha1.MoneyLimitStatus {
	return func() v1alpha1.MoneyLimitStatus {
		if get(ctx, budget) != nil || len(budget.Status.Limits) == 0 {
			return v1alpha1.MoneyLimitStatus{}
		}
		return budget.Status.Limits[0]
	}
}

// eventsOf are the notes of the Events of an object for a reason, in the order of
// their times.
func eventsOf(ctx context.Context, o client.Object, reason string) func() []string {
	return func() []string {
		var list eventsv1.EventList
		if err := api.List(ctx, &list); err != nil {
			return []string{err.Error()}
		}
		var notes []string
		for _, event := range list.Items {
			if event.Regarding.UID == o.GetUID() && event.Reason == reason {
				note := event.Type + ": " + event.Note
				if event.Series != nil {
					note += fmt.Sprintf(" (%d times)", event.Series.Count)
				}
				notes = append(notes, note)
			}
		}
		return notes
	}
}

// rows are the rows of a query, each in one string.
func rows(ctx context.Context, query string, args ...any) func() []string {
	return func() []string {
		found, err := superuser.Query(ctx, query, args...)
		if err != nil {
			return []string{err.Error()}
		}
		var lines []string
		for found.Next() {
			values, err := found.Values()
			if err != nil {
				return []string{err.Error()}
			}
			lines = append(lines, strings.TrimSpace(fmt.Sprintln(values...)))
		}
		return lines
	}
}
