package setup_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	flowcontrol "k8s.io/api/flowcontrol/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// kubectl runs kubectl as an administrator.
func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := exec.CommandContext(ctx, kubectlPath, append([]string{"--kubeconfig", kubeconfig}, args...)...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	return string(out)
}

// kubectlFails runs kubectl as an administrator, and wants it to fail.
func kubectlFails(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := exec.CommandContext(ctx, kubectlPath, append([]string{"--kubeconfig", kubeconfig}, args...)...).CombinedOutput()
	Expect(err).To(HaveOccurred(), string(out))
	return string(out)
}

var _ = Describe("What is in config", func() {
	It("is taken by the API server, and its pods are restricted", func(ctx SpecContext) {
		// The API server warns of unknown fields, and of Deployments whose pods would not be
		// admitted.
		kubectl(ctx, "apply", "--warnings-as-errors", "-k", "../../config/default")
		// As after a change from client-side to server-side apply.
		kubectl(ctx, "apply", "--server-side", "-k", "../../config/default")
		// Nothing serves these webhooks here, and every change would have to ask them.
		DeferCleanup(func(ctx SpecContext) {
			kubectl(ctx, "delete", "validatingwebhookconfiguration,mutatingwebhookconfiguration", "bursar")
		})
		Expect(kubectlFails(ctx, "-n", "bursar-system", "create", "deployment", "careless", "--image=careless",
			"--dry-run=server", "--warnings-as-errors")).To(ContainSubstring("would violate PodSecurity"))
		for _, name := range []string{"bursar-manager", "bursar-enforcer"} {
			var deployment appsv1.Deployment
			Expect(api.Get(ctx, client.ObjectKey{Namespace: "bursar-system", Name: name}, &deployment)).To(Succeed())
			// The namespace lets no other pods in.
			pod := &corev1.Pod{
				ObjectMeta: metav1.ObjectMeta{Namespace: "bursar-system", Name: name, Labels: deployment.Spec.Template.Labels},
				Spec:       deployment.Spec.Template.Spec,
			}
			Expect(api.Create(ctx, pod, client.DryRunAll)).To(Succeed())

			pod.Spec.SecurityContext.RunAsNonRoot = nil
			Expect(api.Create(ctx, pod, client.DryRunAll)).To(MatchError(ContainSubstring("violates PodSecurity")))
		}
	})

	It("has the manager's Lease renewed at the priority of leader elections, and nothing else", func(ctx SpecContext) {
		kubectl(ctx, "apply", "-f", "../../config/manager/flow_schema.yaml")
		uid := kubectl(ctx, "get", "flowschema", "bursar-leader-election", "-o", "jsonpath={.metadata.uid}")
		requests, err := rest.HTTPClientFor(asManager)
		Expect(err).NotTo(HaveOccurred())
		schemaOf := func(path string) string {
			answer, err := requests.Get(asManager.Host + path)
			Expect(err).NotTo(HaveOccurred())
			Expect(answer.Body.Close()).To(Succeed())
			return answer.Header.Get(flowcontrol.ResponseHeaderMatchedFlowSchemaUID)
		}
		Eventually(ctx, func() string {
			return schemaOf("/apis/coordination.k8s.io/v1/namespaces/bursar-system/leases/bursar-manager")
		}).WithTimeout(30 * time.Second).Should(Equal(uid))
		Expect(schemaOf("/apis/bursar.dev/v1alpha1/tenantbudgets")).NotTo(Or(BeEmpty(), Equal(uid)))
		Expect(kubectl(ctx, "get", "flowschema", "bursar-leader-election", "-o",
			`jsonpath={.status.conditions[?(@.type=="Dangling")].status}`)).To(Equal("False"), "its priority level is there")
	})

	It("has what Prometheus and Grafana read", func(ctx SpecContext) {
		Expect(kubectl(ctx, "kustomize", "../../config/prometheus")).To(ContainSubstring("kind: PrometheusRule"))
		Expect(kubectl(ctx, "kustomize", "../../config/grafana")).To(ContainSubstring("grafana_dashboard"))
	})

	It("is what the page on sign-in says: the API server takes each issuer as it stands there", func(ctx SpecContext) {
		page, err := os.ReadFile("../../docs/identity.md")
		Expect(err).NotTo(HaveOccurred())
		blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
		Expect(blocks).To(HaveLen(10))
		kubectl(ctx, "create", "namespace", "sales") // the page's members are there
		DeferCleanup(func(ctx SpecContext) { kubectl(ctx, "delete", "namespace", "sales", "--wait=false") })
		for i, block := range blocks {
			file := filepath.Join(GinkgoT().TempDir(), fmt.Sprintf("%d.yaml", i))
			Expect(os.WriteFile(file, []byte(block[1]), 0o600)).To(Succeed())
			// A dry run, because otherwise the manager would fetch the keys of these issuers.
			applied := kubectl(ctx, "apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", file)
			if strings.Contains(block[1], "kind: APIKey") {
				Expect(applied).To(ContainSubstring("apikey.bursar.dev/"))
				continue
			}
			Expect(applied).To(SatisfyAll(ContainSubstring("identityprovider.bursar.dev/"), ContainSubstring("membership.bursar.dev/")))
		}
	})

	It("has samples that are programmed", func(ctx SpecContext) {
		startEnforcer(true)
		DeferCleanup(func(ctx SpecContext) {
			kubectl(ctx, "delete", "-k", "../../config/samples", "--ignore-not-found", "--wait=false")
		})
		kubectl(ctx, "apply", "-k", "../../config/samples")
		kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=10s", "--all", "-n", "acme", "tenantbudgets,ratelimitpolicies,apikeys,memberships")
		kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=10s", "modelprovider/openai", "identityprovider/cluster")
		Expect(kubectl(ctx, "get", "bursar", "-n", "acme")).To(SatisfyAll(
			ContainSubstring("tenantbudget.bursar.dev/acme"), ContainSubstring("apikey.bursar.dev/empleado-1")))
	})
})
