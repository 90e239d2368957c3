package cluster_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// What is installed by one way is removed before the other begins.
var _ = Describe("Bursar", Ordered, func() {
	Context("by its chart", byChart)
	Context("by kustomize", byKustomize)
})

func byChart() {
	It("is installed from nothing, and tested by helm test", NodeTimeout(6*time.Minute), func(ctx SpecContext) {
		bill(ctx, http.MethodDelete)
		took := step("install, with Redis and Postgres", func() {
			prepare(ctx, "chart")
			helm(ctx, "install", beforeSource, before)
		})
		figure("install by the chart, with an embedded Redis and Postgres, until all is ready: %.1f s", took.Seconds())
		step("helm test", func() { run(ctx, "helm", "test", "bursar", "-n", system) })
		Expect(definitions(ctx)).To(Equal(definitionsIn(beforeSource)))
	})

	It("admits calls of a pod by its ServiceAccount, records them, and refuses what is over", NodeTimeout(4*time.Minute), func(ctx SpecContext) {
		step("samples", func() { samples(ctx) })
		step("calls of a pod, and a refusal", func() { callUntilRefused(ctx) })
		figure("from the beginning of the run to a refused call: %.1f s", time.Since(started).Seconds())
		loadTenant(ctx)
	})

	It("is seen from outside by kubectl budget", NodeTimeout(2*time.Minute), func(ctx SpecContext) {
		seenFromOutside(ctx)
	})

	It("asks little of the API server when idle, and nothing that it may not", NodeTimeout(2*time.Minute), func(ctx SpecContext) {
		begun := watches()
		time.Sleep(30 * time.Second) // it is about what does not happen
		Expect(watches()-begun).To(BeNumerically("<=", 6), "watches begun by two idle managers in 30 s")
		Expect(forbidden()).To(BeEmpty())
	})

	It("is upgraded without a call that fails, is lost or is made twice", NodeTimeout(6*time.Minute), func(ctx SpecContext) {
		var took time.Duration
		l := under(ctx, func() {
			took = step("upgrade, until the pods before have ended", func() { helm(ctx, "upgrade", nowSource, now); rolledOut(ctx) })
		})
		l.noneFailed()
		l.booked(ctx)
		figure("upgrade from the commit before, at 50 calls a second: %.1f s; %s; 0 lost, 0 double", took.Seconds(), l)
		Expect(definitions(ctx)).To(Equal(definitionsIn(nowSource)))
		Expect(fields(ctx, "{.spec.template.spec.containers[0].image}", "-n", system, "deployment", "bursar-enforcer")).To(HaveExactElements(HaveSuffix(":" + now)))
	})

	policies()

	faults()

	certificates()

	monitoring()

	It("leaves what it says when it is uninstalled", NodeTimeout(4*time.Minute), func(ctx SpecContext) {
		Expect(forbidden()).To(BeEmpty())
		step("uninstall", func() { run(ctx, "helm", "uninstall", "bursar", "-n", system, "--wait", "--timeout", "3m") })
		eventually(ctx, "all is gone but what docs/operate.md says", func(g Gomega) {
			g.Expect(left(ctx)).To(ConsistOf("secret/bursar-embedded", "secret/bursar-provider-credentials",
				"persistentvolumeclaim/data-bursar-postgres-0", "persistentvolumeclaim/data-bursar-redis-0",
				"lease/bursar-manager", "configmap/bursar-manager"))
		})
		Expect(definitions(ctx)).To(Equal(definitionsIn(nowSource)), "the CRDs are kept, and with them the budgets")
		Expect(fields(ctx, "{.items[*].metadata.name}", "tenantbudgets", "-A")).To(ConsistOf("acme", "load"))
	})

	It("goes on with what was left when it is installed again", NodeTimeout(4*time.Minute), func(ctx SpecContext) {
		took := step("install again", func() { helm(ctx, "install", nowSource, now) })
		// The previous managers could not give back the Lease: their rights were removed before they ended.
		took += step("the next call", func() { eventuallyAnswered(ctx) })
		figure("installed again upon what was left: calls were admitted after %.1f s", took.Seconds())
		l := under(ctx, func() {})
		l.noneFailed()
		l.booked(ctx)
	})

	It("is removed without a trace, in the order that docs/operate.md says", NodeTimeout(4*time.Minute), func(ctx SpecContext) {
		step("remove", func() {
			kubectl(ctx, "delete", "bursar", "--all", "-A", "--timeout=60s")
			run(ctx, "helm", "uninstall", "bursar", "-n", system, "--wait", "--timeout", "3m")
			removeRest(ctx)
		})
	})
}

// callUntilRefused makes calls in the pod of config/samples' Membership until its limit of five a
// minute refuses one, and looks for them in the ledger.
func callUntilRefused(ctx context.Context) {
	GinkgoHelper()
	serviceAccount(ctx, "acme")
	apply(ctx, read("hack/cluster/testdata/caller.yaml"))
	kubectl(ctx, "-n", "acme", "wait", "--for=condition=Ready", "--timeout=60s", "pod/reports")
	const calling = `wget -qO- --header "Authorization: Bearer $(cat /var/run/bursar/token)" --header 'Content-Type: application/json' \
		--post-data '` + penny + `' http://bursar-enforcer.` + system + `/v1/chat/completions`
	admitted := 0
	var refused error
	for ; refused == nil && admitted < 10; admitted++ {
		_, refused = try(ctx, "", "kubectl", "-n", "acme", "exec", "reports", "--", "sh", "-c", calling)
	}
	admitted--
	Expect(refused).To(MatchError(ContainSubstring("429 Too Many Requests")))
	Expect(admitted).To(Equal(5))
	eventually(ctx, "the calls are in the ledger", func(g Gomega) {
		rows, err := ledger(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(rows).To(HaveLen(admitted))
		for _, row := range rows {
			g.Expect(row).To(And(HaveField("Tenant", "acme"), HaveField("User", "reports"), HaveField("Outcome", "Settled"), HaveField("Cost", BeNumerically(">", 0))))
		}
		agrees(rows, bill(ctx, http.MethodGet).Calls, "acme")
	})
}

// seenFromOutside asks with kubectl budget, which reaches the ledger through a forwarded port.
func seenFromOutside(ctx context.Context) {
	GinkgoHelper()
	forwarding, stop := context.WithCancel(ctx)
	defer stop()
	Expect(command(forwarding, "kubectl", "-n", system, "port-forward", "service/bursar-postgres", "15432:5432").Start()).To(Succeed())
	url := strings.Replace(secret(ctx, "bursar-console", "database-url"), "@bursar-postgres:5432", "@127.0.0.1:15432", 1)
	eventually(ctx, "kubectl budget reads the ledger", func(g Gomega) {
		out, err := try(ctx, "", "env", "BURSAR_DATABASE_URL="+url, "kubectl", "budget", "usage", "--tenant", "acme", "--by", "user")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out).To(ContainSubstring("reports"))
	})
}

// definitions are the names of Bursar's CRDs in the cluster.
func definitions(ctx context.Context) (names []string) {
	for _, name := range fields(ctx, "{.items[*].metadata.name}", "crds") {
		if strings.HasSuffix(name, ".bursar.dev") {
			names = append(names, name)
		}
	}
	return names
}

// definitionsIn are those that a version brings.
func definitionsIn(source string) (names []string) {
	files, err := filepath.Glob(source + "/config/crd/bases/*.yaml")
	Expect(err).NotTo(HaveOccurred())
	Expect(files).NotTo(BeEmpty())
	for _, file := range files {
		group, resource, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".yaml"), "_")
		names = append(names, resource+"."+group)
	}
	return names
}

// removeRest removes what the programs needed, and expects that nothing is left.
func removeRest(ctx context.Context) {
	GinkgoHelper()
	kubectl(ctx, "delete", "-k", "config/crd", "--timeout=60s")
	kubectl(ctx, "delete", "namespace", system, "--timeout=120s")
	Expect(left(ctx)).To(BeEmpty())
	Expect(definitions(ctx)).To(BeEmpty())
}

// left is what there is of Bursar in the cluster, apart from its CRDs and what users applied.
func left(ctx context.Context) (names []string) {
	const namespaced = "all,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,persistentvolumeclaims,leases"
	const others = "clusterroles,clusterrolebindings,validatingwebhookconfigurations,mutatingwebhookconfigurations,flowschemas,prioritylevelconfigurations"
	own := map[string]bool{"configmap/kube-root-ca.crt": true, "serviceaccount/default": true}
	for _, name := range strings.Fields(kubectl(ctx, "-n", system, "get", namespaced, "-o", "name")) {
		kind, name, _ := strings.Cut(name, "/")
		kind, _, _ = strings.Cut(kind, ".")
		if !own[kind+"/"+name] {
			names = append(names, kind+"/"+name)
		}
	}
	for _, name := range strings.Fields(kubectl(ctx, "get", others, "-o", "name")) {
		if strings.Contains(name, "bursar") {
			names = append(names, name)
		}
	}
	return names
}
