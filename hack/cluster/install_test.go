package cluster_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/gomega"
)

// system is the namespace that Bursar is in.
const system = "bursar-system"

// before and now are the tags of the images of two versions, and where their sources are.
const (
	before, beforeSource = "before", ".dev/e2e/before/source"
	now, nowSource       = "now", "."
)

// embedded are the values with which the chart brings a Redis and a Postgres, and the console.
var embedded = []string{
	"--set", "redis.embedded=true,postgres.embedded=true,redis.image=redis:e2e,postgres.image=postgres:e2e,console.enabled=true",
}

// prepare makes what is there before Bursar: a namespace that takes restricted pods only, the
// provider's key, and volumes for Redis and Postgres. Which names them.
func prepare(ctx context.Context, which string) {
	directory := filepath.Join(work, "volumes", which)
	for _, volume := range []string{"1", "2"} {
		Expect(os.MkdirAll(filepath.Join(directory, volume), 0o755)).To(Succeed())
	}
	apply(ctx, strings.NewReplacer("WHICH", which, "DIRECTORY", directory).Replace(read("hack/cluster/testdata/volumes.yaml")))
	kubectl(ctx, "apply", "-k", "config/namespace")
	kubectl(ctx, "-n", system, "create", "secret", "generic", "bursar-provider-credentials", "--from-literal=openai=fake-provider-key")
}

// helm installs or upgrades the chart of a version, and waits until it is there.
func helm(ctx context.Context, verb, source, tag string, values ...string) {
	args := []string{verb, "bursar", source + "/config/chart", "-n", system, "--wait", "--timeout", "4m", "--set", "image.tag=" + tag}
	run(ctx, "helm", slices.Concat(args, embedded, values)...)
}

// kustomize applies config/default, with the images of a version, as docs/operate.md has it. Redis
// and Postgres, and the Secrets that name them, are those that the chart would bring.
func kustomize(ctx context.Context, tag string) {
	// Without --kube-version, a helm that is built from its module assumes an old cluster.
	version, err := kube.Client.Discovery().ServerVersion()
	Expect(err).NotTo(HaveOccurred())
	parts := run(ctx, "helm", append([]string{"template", "bursar", "config/chart", "-n", system, "--show-only", "templates/embedded.yaml",
		"--kube-version", version.GitVersion}, embedded...)...)
	kubectl(ctx, "apply", "-k", "config/crd")
	apply(ctx, parts)
	kubectl(ctx, "apply", "-k", overlay(tag))
	rolledOut(ctx)
}

// overlay is a kustomization with the images of a version.
func overlay(tag string) string {
	directory := filepath.Join(work, "overlay")
	Expect(os.MkdirAll(directory, 0o755)).To(Succeed())
	base, err := filepath.Abs("config/default")
	Expect(err).NotTo(HaveOccurred())
	relative, err := filepath.Rel(directory, base)
	Expect(err).NotTo(HaveOccurred())
	content := "resources: [" + relative + "]\nimages:\n- {name: bursar-manager, newTag: " + tag + "}\n- {name: bursar-enforcer, newTag: " + tag + "}\n"
	Expect(os.WriteFile(filepath.Join(directory, "kustomization.yaml"), []byte(content), 0o644)).To(Succeed())
	return directory
}

// samples applies config/samples, with the fake provider in the place of the real one, and waits
// until all is enforced.
func samples(ctx context.Context) {
	objects := strings.ReplaceAll(kubectl(ctx, "kustomize", "config/samples"), "https://api.openai.com", "http://provider.fakes")
	apply(ctx, objects)
	programmed(ctx, "-n", "acme", "tenantbudgets,ratelimitpolicies,apikeys,memberships")
	programmed(ctx, "modelproviders,identityproviders")
}

func programmed(ctx context.Context, kinds ...string) {
	kubectl(ctx, append([]string{"wait", "--for=condition=Programmed", "--timeout=60s", "--all"}, kinds...)...)
}
