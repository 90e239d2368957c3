package cluster_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// command is a program as the cluster's administrator runs it.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	path := os.Getenv("PATH")
	c := exec.CommandContext(ctx, "/usr/bin/env", append([]string{"PATH=" + bin + ":" + tools + ":" + path, name}, args...)...)
	// Helm keeps caches in its user's home.
	c.Env = append(os.Environ(), "KUBECONFIG="+kube.Kubeconfig, "HOME="+work)
	return c
}

// try runs a program, and returns what it writes.
func try(ctx context.Context, stdin, name string, args ...string) (string, error) {
	var out, errs bytes.Buffer
	c := command(ctx, name, args...)
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &out, &errs
	if err := c.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s%s", name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

// run is try for what must succeed.
func run(ctx context.Context, name string, args ...string) string {
	GinkgoHelper()
	out, err := try(ctx, "", name, args...)
	Expect(err).NotTo(HaveOccurred())
	return out
}

func kubectl(ctx context.Context, args ...string) string {
	GinkgoHelper()
	return run(ctx, "kubectl", args...)
}

// apply applies objects in YAML.
func apply(ctx context.Context, objects string) {
	GinkgoHelper()
	_, err := try(ctx, objects, "kubectl", "apply", "-f", "-")
	Expect(err).NotTo(HaveOccurred())
}

// serviceAccount waits until pods without a controller can be made in a namespace: before its
// ServiceAccount is there, they are refused.
func serviceAccount(ctx context.Context, namespace string) {
	GinkgoHelper()
	eventually(ctx, "the namespace "+namespace+" has its ServiceAccount", func(g Gomega) {
		g.Expect(try(ctx, "", "kubectl", "-n", namespace, "get", "serviceaccount", "default")).Error().NotTo(HaveOccurred())
	})
}

// rolledOut waits until all pods of Bursar's programs are those of the newest template, and the
// others have ended.
func rolledOut(ctx context.Context) {
	GinkgoHelper()
	for _, program := range []string{"manager", "enforcer"} {
		kubectl(ctx, "-n", system, "rollout", "status", "--timeout=180s", "deployment/bursar-"+program)
		eventually(ctx, "the pods before have ended", func(g Gomega) {
			g.Expect(fields(ctx, "{.items[*].metadata.name}", "-n", system, "pods", "-l", component(program))).To(HaveLen(2))
		})
	}
}

// fields are the words that kubectl prints by a JSONPath.
func fields(ctx context.Context, path string, args ...string) []string {
	GinkgoHelper()
	return strings.Fields(kubectl(ctx, append([]string{"get", "-o", "jsonpath=" + path}, args...)...))
}
