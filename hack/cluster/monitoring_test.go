package cluster_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

// monitoring is what Prometheus makes of the chart's monitors and rules.
func monitoring() {
	It("is scraped by Prometheus as its monitors say, and nothing alerts", NodeTimeout(8*time.Minute), func(ctx SpecContext) {
		step("the Prometheus Operator, and a Prometheus", func() { startPrometheus(ctx) })
		helm(ctx, "upgrade", nowSource, now, "--set", "monitoring.monitors.enabled=true,monitoring.rules.enabled=true,monitoring.labels.release=prometheus")
		step("all pods are scraped, and all rules evaluated", func() {
			Eventually(ctx, func(g Gomega) {
				g.Expect(scraped(ctx, g)).To(Equal(map[string][]string{
					"serviceMonitor/bursar-system/bursar-manager/0": {"up", "up"},
					"podMonitor/bursar-system/bursar-enforcer/0":    {"up", "up"},
					"podMonitor/bursar-system/bursar-console/0":     {"up", "up"},
				}))
				g.Expect(evaluated(ctx, g)).To(ConsistOf(alertsIn("config/prometheus/rules.yaml")))
			}).WithTimeout(3 * time.Minute).Should(Succeed())
		})
		l := under(ctx, func() { time.Sleep(20 * time.Second) }) // it is about what does not happen
		l.noneFailed()
		Expect(firing(ctx, Default)).To(BeEmpty())
	})

	It("has Prometheus alert when Redis is away, until it is back", NodeTimeout(8*time.Minute), func(ctx SpecContext) {
		step("Redis is away for longer than a minute, and the alert fires", func() {
			kubectl(ctx, "-n", system, "scale", "statefulset/bursar-redis", "--replicas=0")
			Eventually(ctx, func(g Gomega) {
				alerts := firing(ctx, g)
				g.Expect(alerts["BursarRedisUnavailable"]).To(HaveLen(2), "one for each enforcer")
				for _, alert := range alerts["BursarRedisUnavailable"] {
					g.Expect(alert.Labels).To(HaveKeyWithValue("severity", "critical"))
					g.Expect(alert.Annotations["summary"]).To(Equal("Enforcer " + alert.Labels["pod"] + " cannot reach Redis."))
					g.Expect(hasSection(alert.Annotations["runbook_url"])).To(BeTrue())
				}
			}).WithTimeout(3 * time.Minute).Should(Succeed())
		})
		step("Redis is back, and no alert fires", func() {
			kubectl(ctx, "-n", system, "scale", "statefulset/bursar-redis", "--replicas=1")
			Eventually(ctx, func(g Gomega) { g.Expect(firing(ctx, g)).NotTo(HaveKey("BursarRedisUnavailable")) }).WithTimeout(2 * time.Minute).Should(Succeed())
		})
		kubectl(ctx, "delete", "-f", "hack/cluster/testdata/prometheus.yaml", "--timeout=60s")
		kubectl(ctx, "delete", "deployment", "prometheus-operator")
	})
}

// startPrometheus installs the Prometheus Operator as it is published, and has it run a Prometheus.
func startPrometheus(ctx context.Context) {
	GinkgoHelper()
	kubectl(ctx, "apply", "--server-side", "-f", ".dev/e2e/definitions/prometheus-operator")
	kubectl(ctx, "rollout", "status", "--timeout=60s", "deployment/prometheus-operator")
	apply(ctx, read("hack/cluster/testdata/prometheus.yaml"))
	kubectl(ctx, "-n", "monitoring", "wait", "--for=condition=Available", "--timeout=120s", "prometheus/main")
}

// ask reads what Prometheus' API answers.
func ask(ctx context.Context, g Gomega, path string, data any) {
	GinkgoHelper()
	addresses := fields(ctx, "{.items[*].status.podIP}", "-n", "monitoring", "pods", "-l", "prometheus=main")
	g.Expect(addresses).To(HaveLen(1))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addresses[0]+":9090/api/v1/"+path, nil)
	g.Expect(err).NotTo(HaveOccurred())
	response, err := http.DefaultClient.Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = response.Body.Close() }()
	g.Expect(response).To(HaveHTTPStatus(http.StatusOK))
	g.Expect(json.NewDecoder(response.Body).Decode(&struct{ Data any }{data})).To(Succeed())
}

// scraped says of each monitor how its pods do. What Prometheus could not read of a pod, it prints.
func scraped(ctx context.Context, g Gomega) map[string][]string {
	GinkgoHelper()
	var found struct {
		ActiveTargets []struct{ ScrapePool, ScrapeURL, Health, LastError string }
	}
	ask(ctx, g, "targets?state=active", &found)
	health := map[string][]string{}
	for _, target := range found.ActiveTargets {
		health[target.ScrapePool] = append(health[target.ScrapePool], target.Health)
		if target.LastError != "" {
			fmt.Printf("    %s: %s\n", target.ScrapeURL, target.LastError)
		}
	}
	return health
}

// evaluated are the names of the rules that Prometheus has evaluated without an error.
func evaluated(ctx context.Context, g Gomega) (names []string) {
	GinkgoHelper()
	for _, rule := range rules(ctx, g) {
		g.Expect(rule.LastError).To(BeEmpty(), rule.Name)
		g.Expect(rule.Health).To(Equal("ok"), rule.Name)
		names = append(names, rule.Name)
	}
	return names
}

// alert is an alert of Prometheus.
type alert struct {
	State               string
	Labels, Annotations map[string]string
}

// firing are the alerts that fire, by the names of their rules.
func firing(ctx context.Context, g Gomega) map[string][]alert {
	GinkgoHelper()
	found := map[string][]alert{}
	for _, rule := range rules(ctx, g) {
		for _, alert := range rule.Alerts {
			if alert.State == "firing" {
				found[rule.Name] = append(found[rule.Name], alert)
			}
		}
	}
	return found
}

// rule is a rule that Prometheus evaluates.
type rule struct {
	Name, Health, LastError string
	Alerts                  []alert
}

func rules(ctx context.Context, g Gomega) (all []rule) {
	GinkgoHelper()
	var found struct{ Groups []struct{ Rules []rule } }
	ask(ctx, g, "rules?type=alert", &found)
	for _, group := range found.Groups {
		all = append(all, group.Rules...)
	}
	return all
}

// alertsIn are the names of the alerts in a PrometheusRule.
func alertsIn(file string) (names []string) {
	GinkgoHelper()
	var written struct {
		Spec struct {
			Groups []struct{ Rules []struct{ Alert string } }
		}
	}
	Expect(yaml.Unmarshal([]byte(read(file)), &written)).To(Succeed())
	for _, group := range written.Spec.Groups {
		for _, rule := range group.Rules {
			names = append(names, rule.Alert)
		}
	}
	Expect(names).NotTo(BeEmpty())
	return names
}

// hasSection is whether docs/runbooks.md has the section that a runbook's URL leads to.
func hasSection(url string) bool {
	_, section, found := strings.Cut(url, "/docs/runbooks.md#")
	return found && slices.ContainsFunc(strings.Split(read("docs/runbooks.md"), "\n"), func(line string) bool {
		return strings.EqualFold(line, "## "+section)
	})
}
