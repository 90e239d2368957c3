package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgo "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/hack/stack"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// handOversVariable is how often `make faults` has a manager end each way.
const handOversVariable = "BURSAR_HAND_OVERS"

// TestHandOver: a leading manager ends while a budget changes, and another continues. No
// change is lost, and no Event is recorded twice.
func TestHandOver(t *testing.T) {
	hand := handOver{api: apiClient(t)}
	runs := 1
	if raw := os.Getenv(handOversVariable); raw != "" {
		var err error
		if runs, err = strconv.Atoi(raw); err != nil {
			t.Fatalf("%s=%s: want a number", handOversVariable, raw)
		}
	}
	for run := range runs {
		hand.over(t, fmt.Sprintf("stopped-%d", run), func(leader *stack.Manager) {
			if err := leader.Stop(); err != nil {
				t.Error(err)
			}
		})
		hand.over(t, fmt.Sprintf("killed-%d", run), func(leader *stack.Manager) { leader.Kill() })
	}
}

// handOver hands over from one manager to another.
type handOver struct{ api client.Client }

// over ends the manager that leads in one way or another, in the midst of changes of a
// tenant's budget.
func (h handOver) over(t *testing.T, tenant string, end func(leader *stack.Manager)) {
	newTenant(t, tenant, "1.00")
	if _, err := bursar.StartManager(t.Context(), "manager-after-"+tenant); err != nil {
		t.Fatal(err)
	}
	leader, holder := h.leader(t), h.holder(t)
	for cent := range 10 {
		h.change(t, tenant, fmt.Sprintf("1.%02d", cent+1))
		time.Sleep(20 * time.Millisecond) // so that some of it is under way
	}
	begin := time.Now()
	end(leader)
	h.change(t, tenant, "0.03")
	budget := h.programmed(t, tenant)
	t.Logf("%s: what changed after %s had ended was programmed %.1f s after it was told to",
		tenant, leader.Name, time.Since(begin).Seconds())

	if now := h.holder(t); now == holder {
		t.Errorf("the Lease is still held by %s", now)
	}
	if got := budget.Status.Limits[0].Amount; got != "0.03" {
		t.Errorf("the amount in the status is %s, want 0.03", got)
	}
	for i, want := range []int{http.StatusOK, http.StatusOK, http.StatusOK, http.StatusTooManyRequests} {
		if got, _ := penny(t, tenant); got != want {
			t.Errorf("call %d of a cent is answered %d, want %d", i+1, got, want)
		}
	}
	h.toldOnce(t, budget)
}

func (h handOver) change(t *testing.T, tenant, amount string) {
	t.Helper()
	budget := &v1alpha1.TenantBudget{}
	budget.Namespace, budget.Name = "e2e", tenant
	patch := fmt.Sprintf(`[{"op": "replace", "path": "/spec/limits/0/amount", "value": %q}]`, amount)
	if err := h.api.Patch(t.Context(), budget, client.RawPatch("application/json-patch+json", []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// programmed waits until the newest generation of a tenant's budget is programmed.
func (h handOver) programmed(t *testing.T, tenant string) *v1alpha1.TenantBudget {
	t.Helper()
	budget := &v1alpha1.TenantBudget{}
	// The lease of one that was killed lasts for most of that.
	testkit.Within(t, 30*time.Second, "the last change is programmed", func() bool {
		if err := h.api.Get(t.Context(), client.ObjectKey{Namespace: "e2e", Name: tenant}, budget); err != nil {
			t.Fatal(err)
		}
		return budget.Status.ObservedGeneration == budget.Generation && conditions.IsProgrammed(budget)
	})
	return budget
}

// toldOnce checks that each Event of a budget was told once, the last one as well.
func (h handOver) toldOnce(t *testing.T, budget *v1alpha1.TenantBudget) {
	t.Helper()
	last := fmt.Sprintf("every enforcer runs generation %d, in revision %d", budget.Generation, budget.Status.Revision)
	count := map[string]int{}
	eventually(t, "it is told that the last change is programmed", func() bool {
		var events eventsv1.EventList
		if err := h.api.List(t.Context(), &events, client.InNamespace("e2e")); err != nil {
			t.Fatal(err)
		}
		clear(count)
		for _, event := range events.Items {
			if event.Regarding.UID != budget.UID {
				continue
			}
			count[event.Reason+": "+event.Note]++
			if event.Series != nil {
				count[event.Reason+": "+event.Note] += int(event.Series.Count)
			}
		}
		return count[v1alpha1.EventProgrammed+": "+last] > 0
	})
	for event, times := range count {
		if times != 1 {
			t.Errorf("%q was told %d times", event, times)
		}
	}
}

// holder is who holds the Lease.
func (h handOver) holder(t *testing.T) string {
	t.Helper()
	var lease coordinationv1.Lease
	if err := h.api.Get(t.Context(), client.ObjectKey{Namespace: "bursar-system", Name: "bursar-manager"}, &lease); err != nil {
		t.Fatal(err)
	}
	if lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// leader is the one manager that says that it leads.
func (h handOver) leader(t *testing.T) (leader *stack.Manager) {
	t.Helper()
	eventually(t, "one manager leads", func() bool {
		leaders := 0
		for _, manager := range bursar.Managers {
			if leads(t.Context(), manager) {
				leader = manager
				leaders++
			}
		}
		return leaders == 1
	})
	return leader
}

// leads is whether a manager says that it leads. One that has ended says nothing.
func leads(ctx context.Context, manager *stack.Manager) bool {
	families, err := scrape(ctx, manager.MetricsURL)
	family := families["leader_election_master_status"]
	return err == nil && len(family.GetMetric()) == 1 && family.Metric[0].GetGauge().GetValue() == 1
}

// apiClient acts as an administrator.
func apiClient(t *testing.T) client.Client {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", bursar.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	if err := clientgo.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	api, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return api
}
