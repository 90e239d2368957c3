package refill_test

import (
	"context"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/leader/refill"
)

// stored is the configuration in Redis.
type stored struct {
	incarnation, complete string
	documents             []limiterv1.DocumentID
}

func (s *stored) Incomplete(context.Context) (string, error) {
	if s.incarnation == s.complete {
		return "", nil
	}
	return s.incarnation, nil
}

func (s *stored) Missing(_ context.Context, ids []limiterv1.DocumentID) ([]limiterv1.DocumentID, error) {
	return slices.DeleteFunc(slices.Clone(ids), func(id limiterv1.DocumentID) bool { return slices.Contains(s.documents, id) }), nil
}

func (s *stored) Complete(_ context.Context, incarnation string) error {
	s.complete = incarnation
	return nil
}

// objects are those that the API server has.
type objects struct {
	client.Reader
	budgets   []v1alpha1.TenantBudget
	keys      []v1alpha1.APIKey
	providers []v1alpha1.ModelProvider
}

func (o objects) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	switch list := list.(type) {
	case *v1alpha1.TenantBudgetList:
		list.Items = o.budgets
	case *v1alpha1.APIKeyList:
		list.Items = o.keys
	case *v1alpha1.ModelProviderList:
		list.Items = o.providers
	}
	return nil
}

func accepted(status metav1.ConditionStatus) v1alpha1.ProgrammedStatus {
	return v1alpha1.ProgrammedStatus{Conditions: []metav1.Condition{{Type: v1alpha1.ConditionAccepted, Status: status}}}
}

// TestComplete: a configuration is complete once every object has its document that had
// one, and, should one not get it, after a minute.
func TestComplete(t *testing.T) {
	var o objects
	o.budgets = []v1alpha1.TenantBudget{{}, {}, {}, {}}
	for i, tenant := range []string{"acme", "rejected", "new", "going"} {
		o.budgets[i].Spec.Tenant = tenant
	}
	o.budgets[0].Status.ProgrammedStatus = accepted(metav1.ConditionTrue)
	o.budgets[1].Status.ProgrammedStatus = accepted(metav1.ConditionFalse)
	o.budgets[3].Status.ProgrammedStatus = accepted(metav1.ConditionTrue)
	o.budgets[3].DeletionTimestamp = &metav1.Time{Time: time.Now()}
	o.keys = []v1alpha1.APIKey{{}}
	o.keys[0].Namespace, o.keys[0].Spec.SHA256 = "acme", "abc"
	o.keys[0].Status.ProgrammedStatus = accepted(metav1.ConditionTrue)
	o.providers = []v1alpha1.ModelProvider{{}}
	o.providers[0].Name = "openai"
	o.providers[0].Status.ProgrammedStatus = accepted(metav1.ConditionTrue)
	wanted := []limiterv1.DocumentID{
		{Kind: limiterv1.TenantDocument, Name: "acme"}, {Kind: limiterv1.CredentialDocument, Name: "acme/abc"}, {Kind: limiterv1.ProviderDocument, Name: "openai"},
	}

	now := time.Unix(0, 0)
	redis := &stored{incarnation: "first"}
	completer := refill.New(redis, o, func() time.Time { return now })
	look := func(want string) {
		t.Helper()
		if err := completer.Look(t.Context()); err != nil || redis.complete != want {
			t.Errorf("complete: %q, %v; want %q", redis.complete, err, want)
		}
	}
	for _, id := range wanted {
		look("")
		redis.documents = append(redis.documents, id)
	}
	look("first")

	redis.incarnation, redis.documents = "second", wanted[1:]
	look("first")
	now = now.Add(59 * time.Second)
	look("first")
	now = now.Add(time.Second)
	look("second")
}
