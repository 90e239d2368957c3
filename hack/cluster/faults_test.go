package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// faults are what happens to an installation with the tenant of the load.
func faults() {
	It("goes on when the leader is killed", NodeTimeout(4*time.Minute), func(ctx SpecContext) {
		holder := leader(ctx)
		pod, _, _ := strings.Cut(holder, "_")
		l := under(ctx, func() {
			took := step("a new leader", func() {
				killProcesses(ctx, pod)
				eventually(ctx, "another manager leads", func(g Gomega) { g.Expect(leader(ctx)).NotTo(BeElementOf("", holder)) })
			})
			figure("the leader killed: another led after %.1f s", took.Seconds())
			changed(ctx, "2000.00")
		})
		l.noneFailed()
		l.booked(ctx)
		rolledOut(ctx)
	})

	It("loses no call that was answered when an enforcer runs out of memory", NodeTimeout(4*time.Minute), func(ctx SpecContext) {
		l := under(ctx, func() {
			step("an enforcer that is killed for its memory, and is ready again", func() { exhaustMemory(ctx, pod(ctx, "enforcer")) })
		})
		Expect(len(l.failed)).To(BeNumerically("<", callsPerSecond), l.failed)
		l.booked(ctx)
		figure("an enforcer killed for its memory: %s", l)
	})

	for _, way := range []struct {
		name string
		end  func(ctx context.Context, pod string)
	}{{"is killed", kill}, {"is replaced", replace}} {
		name, end := way.name, way.end
		It("refuses calls while Redis is away, and admits them when it is back: its pod "+name, NodeTimeout(4*time.Minute), func(ctx SpecContext) {
			l := under(ctx, func() {
				took := step("a Redis that "+name, func() { end(ctx, "bursar-redis-0") })
				took += step("the next call", func() { eventuallyAnswered(ctx) })
				figure("the Redis pod %s: calls were admitted again after %.1f s", name, took.Seconds())
			})
			for _, failure := range l.failed {
				Expect(failure).To(ContainSubstring("503"))
			}
			l.booked(ctx)
			figure("the Redis pod %s: %s; 0 lost, 0 double", name, l)
		})

		It("goes on while Postgres is away, and records all when it is back: its pod "+name, NodeTimeout(4*time.Minute), func(ctx SpecContext) {
			l := under(ctx, func() {
				step("a Postgres that "+name, func() { end(ctx, "bursar-postgres-0") })
			})
			l.noneFailed()
			l.booked(ctx)
			figure("the Postgres pod %s: %s; 0 lost, 0 double", name, l)
		})
	}

	It("asks by its webhooks after a new authority has signed their certificates", NodeTimeout(2*time.Minute), func(ctx SpecContext) {
		old := authority(ctx)
		step("a new authority", func() {
			kubectl(ctx, "-n", system, "patch", "secret", "bursar-webhook", "--type=json", "-p", `[{"op": "remove", "path": "/data"}]`)
			eventually(ctx, "the API server trusts another authority", func(g Gomega) { g.Expect(authority(ctx)).NotTo(BeElementOf("", old)) })
			eventually(ctx, "webhooks answer", func(g Gomega) { g.Expect(conflict(ctx)).To(MatchError(ContainSubstring("denied the request"))) })
		})
	})

	It("loses no call when a node is drained", NodeTimeout(6*time.Minute), func(ctx SpecContext) {
		Expect(nodesOf(ctx, "enforcer")).To(ConsistOf("node1", "node2"))
		Expect(nodesOf(ctx, "manager")).To(ConsistOf("node1", "node2"))
		l := under(ctx, func() {
			took := step("drain of a node", func() {
				kubectl(ctx, "drain", "node2", "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=180s")
				rolledOut(ctx)
			})
			figure("a node drained: %.1f s", took.Seconds())
		})
		kubectl(ctx, "uncordon", "node2")
		l.noneFailed()
		l.booked(ctx)
		figure("a node drained: %s; 0 lost, 0 double", l)
	})
}

// leader is the identity of the leader, POD_LIFE; empty if there is none.
func leader(ctx context.Context) string {
	return strings.Join(fields(ctx, "{.spec.holderIdentity}", "-n", system, "lease", "bursar-manager"), "")
}

// component selects the pods of a program.
func component(program string) string {
	return "app.kubernetes.io/name=bursar,app.kubernetes.io/component=" + program
}

// pod is a pod of a program.
func pod(ctx context.Context, program string) string {
	return fields(ctx, "{.items[0].metadata.name}", "-n", system, "pods", "-l", component(program))[0]
}

// nodesOf are the nodes that a program's pods are on.
func nodesOf(ctx context.Context, program string) []string {
	return fields(ctx, "{.items[*].spec.nodeName}", "-n", system, "pods", "-l", component(program), "--field-selector=status.phase=Running")
}

// ready expects a pod to be ready, and returns a value of it.
func ready(ctx context.Context, g Gomega, pod, path string) string {
	out, err := try(ctx, "", "kubectl", "-n", system, "get", "pod", pod, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status} `+path)
	g.Expect(err).NotTo(HaveOccurred())
	value, found := strings.CutPrefix(out, "True ")
	g.Expect(found).To(BeTrue(), "pod "+pod+" is not ready")
	return value
}

// kill ends the processes of a pod at once, and waits until it has others.
func kill(ctx context.Context, pod string) {
	GinkgoHelper()
	const restarts = "{.status.containerStatuses[0].restartCount}"
	before := ready(ctx, Default, pod, restarts)
	killProcesses(ctx, pod)
	eventually(ctx, pod+" has started again", func(g Gomega) { g.Expect(ready(ctx, g, pod, restarts)).NotTo(Equal(before)) })
}

// killProcesses kills the processes of a pod, as the kernel would.
func killProcesses(ctx context.Context, pod string) {
	GinkgoHelper()
	for _, process := range processes(ctx, system, pod) {
		number, err := strconv.Atoi(process)
		Expect(err).NotTo(HaveOccurred())
		if err := syscall.Kill(number, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
			Expect(err).NotTo(HaveOccurred())
		}
	}
}

// processes are the numbers of a pod's processes, of its container.
func processes(ctx context.Context, namespace, pod string) []string {
	GinkgoHelper()
	return strings.Fields(read(filepath.Join(filepath.Dir(memoryLimit(containerOf(ctx, namespace, pod))), "cgroup.procs")))
}

// replace deletes a pod of a StatefulSet, whose processes have a second to end, and waits until
// the next is ready. Nobody may --force that: two of Postgres would write into one volume.
func replace(ctx context.Context, pod string) {
	GinkgoHelper()
	const identity = "{.metadata.uid}"
	before := ready(ctx, Default, pod, identity)
	kubectl(ctx, "-n", system, "delete", "pod", pod, "--grace-period=1", "--wait=false")
	eventually(ctx, "another "+pod+" is ready", func(g Gomega) { g.Expect(ready(ctx, g, pod, identity)).NotTo(Equal(before)) })
}

// containerOf is the id of a pod's container.
func containerOf(ctx context.Context, namespace, pod string) string {
	id := fields(ctx, "{.status.containerStatuses[0].containerID}", "-n", namespace, "pod", pod)[0]
	return strings.TrimPrefix(id, "containerd://")
}

// changed gives the budget of the load another amount, and waits until that is enforced.
func changed(ctx context.Context, amount string) {
	GinkgoHelper()
	kubectl(ctx, "-n", "load", "patch", "tenantbudget", "load", "--type=merge", "-p",
		fmt.Sprintf(`{"spec": {"limits": [{"name": "yearly", "period": "Year", "amount": %q}]}}`, amount))
	generation := fields(ctx, "{.metadata.generation}", "-n", "load", "tenantbudget", "load")[0]
	eventually(ctx, "the change is enforced", func(g Gomega) {
		const programmed = `{.status.conditions[?(@.type=="Programmed")].observedGeneration} {.status.conditions[?(@.type=="Programmed")].status}`
		g.Expect(fields(ctx, programmed, "-n", "load", "tenantbudget", "load")).To(HaveExactElements(generation, "True"))
	})
}

// eventuallyAnswered waits until a call is admitted.
func eventuallyAnswered(ctx context.Context) {
	GinkgoHelper()
	l := &load{url: "http://" + address(ctx, system, "bursar-enforcer") + "/v1/chat/completions"}
	eventually(ctx, "a call is answered", func(g Gomega) { g.Expect(l.ask(ctx, http.DefaultClient)).NotTo(BeEmpty()) })
}

// authority is the authority that the API server trusts when it calls the webhooks.
func authority(ctx context.Context) string {
	bundles := fields(ctx, "{.webhooks[0].clientConfig.caBundle}", "validatingwebhookconfiguration", "bursar")
	if len(bundles) == 0 {
		return ""
	}
	return bundles[0]
}

// conflict applies a second budget for a tenant, which the webhooks refuse.
func conflict(ctx context.Context) error {
	second := strings.ReplaceAll(read("hack/cluster/testdata/load.yaml"), "metadata: {name: load, namespace: load}", "metadata: {name: second, namespace: load}")
	_, err := try(ctx, second, "kubectl", "apply", "--dry-run=server", "-f", "-")
	return err
}

// exhaustMemory limits the memory of a pod to what it has, makes it need more, and waits until it
// was killed for that and is ready again.
func exhaustMemory(ctx context.Context, pod string) {
	GinkgoHelper()
	limit := memoryLimit(containerOf(ctx, system, pod))
	usage := read(filepath.Join(filepath.Dir(limit), strings.NewReplacer("limit_in_bytes", "usage_in_bytes", "max", "current").Replace(filepath.Base(limit))))
	Expect(os.WriteFile(limit, []byte(strings.TrimSpace(usage)), 0)).To(Succeed())

	url := "http://" + fields(ctx, "{.status.podIP}", "-n", system, "pod", pod)[0] + ":8080/v1/chat/completions"
	needing, stop := context.WithCancel(ctx)
	defer stop()
	var calls sync.WaitGroup
	for range 50 {
		calls.Go(func() { bigCall(needing, url) })
	}
	eventually(ctx, "the pod was killed for its memory", func(g Gomega) {
		g.Expect(fields(ctx, "{.status.containerStatuses[0].lastState.terminated.reason}", "-n", system, "pod", pod)).To(HaveExactElements("OOMKilled"))
	})
	stop()
	calls.Wait()
	kubectl(ctx, "-n", system, "wait", "--for=condition=Ready", "--timeout=60s", "pod/"+pod)
}

// memoryLimit is the file with the limit of a container's memory, of cgroups' first or second version.
func memoryLimit(container string) string {
	GinkgoHelper()
	for _, pattern := range []string{"/sys/fs/cgroup/memory/k8s.io/%s/memory.limit_in_bytes", "/sys/fs/cgroup/k8s.io/%s/memory.max"} {
		if path := fmt.Sprintf(pattern, container); fileExists(path) {
			return path
		}
	}
	Fail("there is no cgroup of the container " + container)
	return ""
}

func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// bigCall makes a call whose prompt takes much memory.
func bigCall(ctx context.Context, url string) {
	body := `{"model":"gpt-4o-mini","messages":[{"role":"user","content":"` + strings.Repeat("much ", 1<<20) + `"}]}`
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return
	}
	request.Header.Set("Authorization", "Bearer "+loadKey)
	if response, err := http.DefaultClient.Do(request); err == nil {
		_ = response.Body.Close()
	}
}
