package cluster_test

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/bursar-dev/bursar/hack/parts/cluster"
)

// policies are the specs of who reaches whom by an installation's NetworkPolicies. These are
// enforced in all specs: those that make calls show that Bursar reaches what it needs.
func policies() {
	It("is reached by those who have to, and by nobody else", NodeTimeout(4*time.Minute), func(ctx SpecContext) {
		apply(ctx, read("hack/cluster/testdata/neighbours.yaml"))
		for namespace, pod := range map[string]string{"elsewhere": "stranger", "monitoring": "scraper", system: "neighbour"} {
			kubectl(ctx, "-n", namespace, "wait", "--for=condition=Ready", "--timeout=60s", "pod/"+pod)
		}
		step("who reaches whom", func() { reach(ctx, slices.Concat(programs, others), byDefault) })
		metrics := kubectl(ctx, "-n", "monitoring", "exec", "scraper", "--", "wget", "-qO-", fmt.Sprintf("http://%s:8081/metrics", find(ctx, "enforcer").address))
		Expect(metrics).To(ContainSubstring("bursar_enforcer_"))
	})

	// It stays so in the specs that follow.
	It("works while it may reach nothing but what it needs", NodeTimeout(6*time.Minute), func(ctx SpecContext) {
		helm(ctx, "upgrade", nowSource, now, "--values", "hack/cluster/testdata/egress.yaml")
		step("whom its programs reach, with egress limited", func() { reach(ctx, programs, withEgressLimited) })
		l := under(ctx, func() { changed(ctx, "1500.00") })
		l.noneFailed()
		l.booked(ctx)
		Expect(conflict(ctx)).To(MatchError(ContainSubstring("denied the request")))
		step("helm test", func() { run(ctx, "helm", "test", "bursar", "-n", system) })
		kubectl(ctx, "delete", "-f", "hack/cluster/testdata/neighbours.yaml", "--timeout=60s")
	})
}

// programs and others are the pods that try to reach each destination: Bursar's, and those of
// testdata/neighbours.yaml.
var (
	programs = []string{"manager", "enforcer", "console"}
	others   = []string{"scraper", "stranger", "neighbour"}
)

// machine is where API server and kubelets listen.
const machine = "machine"

// destination is a port of a pod or of the machine, and which pods reach it. All others do not.
type destination struct {
	who       string
	port      int
	reachedBy []string
}

// byDefault is what the policies say that come with Bursar.
var byDefault = []destination{
	{"redis", 6379, []string{"manager", "enforcer"}},
	{"postgres", 5432, programs},
	{"enforcer", 8080, slices.Concat(programs, others)},
	{"enforcer", 8081, []string{"scraper"}},
	{"manager", 9443, slices.Concat(programs, others)}, // the API server may come from anywhere
	{"manager", 8443, []string{"scraper"}},
	{"manager", 8081, nil}, // but by its node, which probes it
	{"console", 8080, slices.Concat(programs, others)},
	{"console", 8081, []string{"scraper"}},
	// Where Bursar may go is not limited.
	{"provider", 8090, slices.Concat(programs, others)},
	{"stranger", 8000, slices.Concat(programs, others)},
	{machine, 6443, slices.Concat(programs, others)},
	{machine, 10250, slices.Concat(programs, others)},
}

// withEgressLimited is what Bursar's programs reach with testdata/egress.yaml.
var withEgressLimited = []destination{
	{"redis", 6379, []string{"manager", "enforcer"}},
	{"postgres", 5432, programs},
	{"provider", 8090, programs},
	{machine, 6443, programs},
	{machine, 10250, nil},
	{"stranger", 8000, nil},
	{"enforcer", 8080, nil},
}

// reach expects that, of some pods, exactly those that a destination names can connect to its address.
func reach(ctx context.Context, from []string, destinations []destination) {
	GinkgoHelper()
	pods := map[string]found{machine: {address: cluster.Address}}
	for _, name := range slices.Concat(programs, others, []string{"redis", "postgres", "provider"}) {
		pods[name] = find(ctx, name)
	}
	eventually(ctx, "the policies are enforced", func(g Gomega) {
		for _, to := range destinations {
			for _, client := range from {
				if client == to.who {
					continue
				}
				wanted := slices.Contains(to.reachedBy, client)
				g.Expect(connects(ctx, pods[client], pods[to.who], to.port)).To(Equal(wanted), "%s reaches %s:%d", client, to.who, to.port)
			}
		}
	})
}

// found is a pod of this moment.
type found struct {
	address string
	// process is one of its processes, whose network is the pod's.
	process string
}

// find finds a pod of those that are mentioned above.
func find(ctx context.Context, name string) found {
	GinkgoHelper()
	namespace, selector := system, component(name)
	switch name {
	case "provider":
		namespace, selector = "fakes", "app=provider"
	case "scraper":
		namespace, selector = "monitoring", "app=scraper"
	case "stranger":
		namespace, selector = "elsewhere", "app=stranger"
	case "neighbour":
		selector = "app=neighbour"
	}
	pod := fields(ctx, "{.items[0].metadata.name} {.items[0].status.podIP}", "-n", namespace, "pods", "-l", selector, "--field-selector=status.phase=Running")
	Expect(pod).To(HaveLen(2), name)
	return found{address: pod[1], process: processes(ctx, namespace, pod[0])[0]}
}

// connects reports whether a pod's processes can connect to a port of another.
func connects(ctx context.Context, from, to found, port int) bool {
	connecting := fmt.Sprintf("</dev/tcp/%s/%d", to.address, port)
	return exec.CommandContext(ctx, "nsenter", "--target", from.process, "--net", "timeout", "5", "bash", "-c", connecting).Run() == nil
}
