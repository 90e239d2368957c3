package pages_test

import (
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestHealth: the platform's admins see how enforcers, providers, ledger and issuers are, and nobody
// else has even a link; what objects and the ledger say does not run.
func TestHealth(t *testing.T) {
	nadia := platform.token()
	provider := &v1alpha1.ModelProvider{}
	testkit.Must(t, shared.Cluster.Get(t.Context(), client.ObjectKey{Name: "google"}, provider))
	meta.SetStatusCondition(&provider.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: "KeyRejected", Message: evil})
	testkit.Must(t, shared.Cluster.Status().Update(t.Context(), provider))
	var body string
	testkit.Eventually(t, "the console knows what the manager says", func() bool {
		_, body, _ = get(t, "/health", nadia, "en")
		return strings.Contains(body, "&lt;script&gt;")
	})
	if strings.Contains(body, "<script>") || strings.Contains(body, "<img") || len(inline(t, body)) > 0 {
		t.Error("markup of somebody is in the page")
	}
	for _, text := range []string{
		"Revision 412 everywhere", "enforcer-6f7c9-8m2xq-1", "Silent", "Counters agree with the ledger", "time out: check its host", "https://login.northwind.example",
		"behind the end of calls (p95)", "bursar_enforcer_ledger_waiting", ">TenantBudget<", "Does not answer",
	} {
		if !strings.Contains(body, text) {
			t.Errorf("%q is not in the page", text)
		}
	}
	if !regexp.MustCompile(`>openai</th>.*<td class="number">[1-9]`).MatchString(body) {
		t.Error("no calls of a provider are counted")
	}
	if _, spanish, _ := get(t, "/health", nadia, "es-AR"); !strings.Contains(spanish, "Revisión 412 en todas partes") || !strings.Contains(spanish, "<h1>Salud</h1>") {
		t.Error("the page in Spanish is not")
	}
	for _, path := range []string{"/health", "/costs"} {
		if _, body, _ := get(t, path, admin.token(), "en"); strings.Contains(body, `href="/health"`) || strings.Contains(body, "enforcer-6f7c9") {
			t.Errorf("%s: an admin of a tenant sees something of it", path)
		}
	}
}
