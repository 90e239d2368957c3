package census_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/setup/census"
)

func TestCensus(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	condition := func(kind string, status metav1.ConditionStatus, age time.Duration) metav1.Condition {
		return metav1.Condition{Type: kind, Status: status, LastTransitionTime: metav1.NewTime(now.Add(-age))}
	}
	budget := func(name string, conditions ...metav1.Condition) *v1alpha1.TenantBudget {
		b := &v1alpha1.TenantBudget{}
		b.Namespace, b.Name, b.Status.Conditions = "acme", name, conditions
		return b
	}
	accepted, rejected := condition("Accepted", "True", time.Hour), condition("Accepted", "False", time.Hour)
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	leaving := budget("leaving", accepted, condition("Programmed", "False", time.Hour))
	leaving.DeletionTimestamp, leaving.Finalizers = &metav1.Time{Time: now}, []string{"example.com/hold"}
	reader := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		budget("new"),
		budget("programmed", accepted, condition("Programmed", "True", time.Hour)),
		budget("waits", accepted, condition("Programmed", "False", 10*time.Second)),
		budget("waits-longer", accepted, condition("Programmed", "Unknown", time.Minute)),
		budget("rejected", rejected, condition("Programmed", "False", time.Hour)),
		leaving,
	).Build()
	want := `# HELP bursar_manager_objects Objects by kind and condition.
# TYPE bursar_manager_objects gauge
bursar_manager_objects{condition="Accepted",kind="TenantBudget",status="False"} 1
bursar_manager_objects{condition="Accepted",kind="TenantBudget",status="True"} 4
bursar_manager_objects{condition="Programmed",kind="TenantBudget",status="False"} 3
bursar_manager_objects{condition="Programmed",kind="TenantBudget",status="True"} 1
bursar_manager_objects{condition="Programmed",kind="TenantBudget",status="Unknown"} 1
# HELP bursar_manager_oldest_unprogrammed_seconds Seconds for which the longest-waiting accepted object of the kind has not been programmed; 0 if none is waiting.
# TYPE bursar_manager_oldest_unprogrammed_seconds gauge
bursar_manager_oldest_unprogrammed_seconds{kind="APIKey"} 0
bursar_manager_oldest_unprogrammed_seconds{kind="TenantBudget"} 60
`
	if err := testutil.CollectAndCompare(census.New(reader, testingclock.NewFakePassiveClock(now), map[string]client.ObjectList{
		"TenantBudget": &v1alpha1.TenantBudgetList{}, "APIKey": &v1alpha1.APIKeyList{},
	}), strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}
