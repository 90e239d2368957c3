package setup_test

import (
	"maps"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
)

// unused are the rights of the manager that no test in this package uses, and what each
// is for.
var unused = map[string]string{
	"patch events":      "an Event of the Lease that is repeated within minutes",
	"get configmaps":    "which stores are out of reach, in package outage",
	"create configmaps": "likewise",
	"patch configmaps":  "likewise",
	"get secrets":       "the authority of the webhooks, in package webhook",
	"update secrets":    "likewise",
	"get admissionregistration.k8s.io/mutatingwebhookconfigurations":      "likewise",
	"update admissionregistration.k8s.io/mutatingwebhookconfigurations":   "likewise",
	"get admissionregistration.k8s.io/validatingwebhookconfigurations":    "likewise",
	"update admissionregistration.k8s.io/validatingwebhookconfigurations": "likewise",
}

// managerRules are all rules that are bound to the manager.
func managerRules(ctx SpecContext) []rbacv1.PolicyRule {
	GinkgoHelper()
	var cluster rbacv1.ClusterRole
	Expect(api.Get(ctx, client.ObjectKey{Name: "bursar-manager"}, &cluster)).To(Succeed())
	var namespaced rbacv1.Role
	Expect(api.Get(ctx, client.ObjectKey{Namespace: "bursar-system", Name: "bursar-manager"}, &namespaced)).To(Succeed())
	return slices.Concat(cluster.Rules, namespaced.Rules)
}

var _ = Describe("The manager's rights", func() {
	It("are named one by one, and reach no Secret of the cluster's", func(ctx SpecContext) {
		for _, rule := range managerRules(ctx) {
			for _, word := range slices.Concat(rule.Verbs, rule.APIGroups, rule.Resources, rule.NonResourceURLs) {
				Expect(word).NotTo(ContainSubstring("*"), "in %v", rule)
			}
			Expect(rule.Verbs).NotTo(ContainElements("escalate", "bind", "impersonate"), "in %v", rule)
			for _, path := range rule.NonResourceURLs {
				Expect(path).To(BeElementOf("/.well-known/openid-configuration", "/openid/v1/jwks"), "the cluster's issuer, in %v", rule)
			}
		}
		var cluster rbacv1.ClusterRole
		Expect(api.Get(ctx, client.ObjectKey{Name: "bursar-manager"}, &cluster)).To(Succeed())
		for _, rule := range cluster.Rules {
			Expect(rule.Resources).NotTo(ContainElement("secrets"), "in %v", rule)
		}
	})

	It("are not the enforcers', who have none", func(ctx SpecContext) {
		var everywhere rbacv1.ClusterRoleBindingList
		Expect(api.List(ctx, &everywhere)).To(Succeed())
		for _, binding := range everywhere.Items {
			Expect(binding.Subjects).NotTo(ContainElement(HaveField("Name", "bursar-enforcer")), binding.Name)
		}
		var here rbacv1.RoleBindingList
		Expect(api.List(ctx, &here, client.InNamespace("bursar-system"))).To(Succeed())
		for _, binding := range here.Items {
			Expect(binding.Subjects).NotTo(ContainElement(HaveField("Name", "bursar-enforcer")), binding.Name)
		}
	})
})

// After all tests, the API server's audit log shows which rights the manager has used.
var _ = AfterSuite(func(ctx SpecContext) {
	if kube == nil || kube.AuditLog == "" {
		return // it did not start
	}
	requests, err := kube.Requests()
	Expect(err).NotTo(HaveOccurred())
	used := map[string]bool{}
	for _, request := range requests {
		if request.Right == "get secrets" {
			continue // a tenant lets the manager read the Secret of its alerts, or does not
		}
		Expect(request.Forbidden).To(BeFalse(), "the manager may not %s, which it asked for at %s", request.Right, request.URI)
		used[request.Right] = true
	}
	if suite, _ := GinkgoConfiguration(); len(suite.FocusStrings)+len(suite.SkipStrings) > 0 || suite.LabelFilter != "" {
		return // there is more that it does
	}
	notUsed := slices.DeleteFunc(rightsOf(managerRules(ctx)), func(right string) bool {
		// Lists come by watches, except from API servers that do not support that.
		return used[right] || used[strings.Replace(right, "list ", "watch ", 1)]
	})
	for _, right := range notUsed {
		Expect(unused).To(HaveKey(right), "what the manager may do and no test has it do")
	}
})

// rightsOf are the rights that rules give.
func rightsOf(rules []rbacv1.PolicyRule) []string {
	rights := map[string]bool{}
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					rights[verb+" "+kubernetes.RightTo(group, resource)] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(rights))
}
