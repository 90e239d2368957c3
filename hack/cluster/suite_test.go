package cluster_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/bursar-dev/bursar/hack/parts/cluster"
)

// directoryVariable names the directory that run.sh made, for what the cluster writes.
const directoryVariable = "BURSAR_E2E_DIR"

func TestE2E(t *testing.T) {
	if os.Getenv(directoryVariable) == "" {
		t.Skip("a whole Kubernetes takes namespaces of its own: run make e2e")
	}
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(time.Minute)
	SetDefaultEventuallyPollingInterval(200 * time.Millisecond)
	RunSpecs(t, "Bursar on a whole Kubernetes")
}

var (
	// kube is the cluster of all specs.
	kube *cluster.Cluster
	// work is where files go, and bin is where the programs are that were built beforehand.
	work, bin, tools string
	// started is when the run began.
	started = time.Now()
)

var _ = BeforeSuite(func(ctx SpecContext) {
	var err error
	work = os.Getenv(directoryVariable)
	bin, err = filepath.Abs("bin")
	Expect(err).NotTo(HaveOccurred())
	tools, err = filepath.Abs("hack/tools/bin")
	Expect(err).NotTo(HaveOccurred())

	var images []string
	step("images of Redis, Postgres and the fake provider", func() { images = makeImages() })
	step("two nodes", func() {
		kube, err = cluster.Start(ctx, cluster.Options{
			Dir: work, Programs: tools, Nodes: 2, PauseImage: toolsImage, Images: images,
		})
		Expect(err).NotTo(HaveOccurred())
	})
	apply(ctx, read("hack/cluster/testdata/provider.yaml"))
	kubectl(ctx, "-n", "fakes", "rollout", "status", "--timeout=60s", "deployment/provider")
}, NodeTimeout(6*time.Minute))

var _ = AfterSuite(func() {
	if kube != nil {
		Expect(kube.Stop()).To(Succeed())
	}
	fmt.Println("\nFigures of this run:")
	for _, figure := range figures {
		fmt.Println("  " + figure)
	}
})

// figures are what a run has shown, for docs/figures.md.
var figures []string

// figure notes what a run has shown.
func figure(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	figures = append(figures, text)
	GinkgoWriter.Println("  " + text)
}

// step says what is done, and how long it took.
func step(what string, do func()) time.Duration {
	GinkgoHelper()
	begun := time.Now()
	do()
	took := time.Since(begun)
	fmt.Printf("  %6.1f s  %s (%.1f s)\n", time.Since(started).Seconds(), what, took.Seconds())
	return took
}

// eventually waits until all that is expected of g is so.
func eventually(ctx context.Context, what string, expected func(g Gomega)) {
	GinkgoHelper()
	Eventually(ctx, expected).Should(Succeed(), what)
}

// read is a file's content.
func read(path string) string {
	GinkgoHelper()
	content, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	return string(content)
}
