package chart_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/testkit"
)

const root = "../../"

var server *kubernetes.Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if server, err = kubernetes.Start(context.Background(), kubernetes.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// objects are objects by kind and name.
type objects map[string]*unstructured.Unstructured

// kubectl runs kubectl as the cluster's administrator, and returns what it writes.
func kubectl(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	testkit.Must(t, server.WriteKubeconfig(kubeconfig, kubernetes.Administrator))
	return output(t, ".", stdin, server.Kubectl, append([]string{"--kubeconfig", kubeconfig}, args...)...)
}

func output(t *testing.T, directory, stdin, program string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	command := exec.CommandContext(t.Context(), program, args...)
	command.Dir, command.Stdin, command.Stdout, command.Stderr = directory, strings.NewReader(stdin), &out, &errs
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	err = command.Run()
	return out.String(), errs.String(), err
}

// kustomize is what a kustomization renders.
func kustomize(t *testing.T, directories ...string) objects {
	t.Helper()
	all := objects{}
	for _, directory := range directories {
		out, stderr, err := kubectl(t, "", "kustomize", directory)
		if err != nil {
			t.Fatalf("%s: %v: %s", directory, err, stderr)
		}
		all.read(t, out)
	}
	return all
}

// helm is what the chart renders with values, in YAML.
func helm(t *testing.T, values string) (rendered string, err error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	testkit.Must(t, os.WriteFile(file, []byte(values), 0o600))
	out, stderr, err := output(t, root+"hack/release", "", "go", "run", "-trimpath", "./cmd/render", file)
	if err != nil {
		return "", errors.New(stderr)
	}
	return out, nil
}

func chart(t *testing.T, values string) objects {
	t.Helper()
	rendered, err := helm(t, values)
	testkit.Must(t, err)
	all := objects{}
	all.read(t, rendered)
	return all
}

func (o objects) read(t *testing.T, documents string) {
	t.Helper()
	for document := range strings.SplitSeq("\n"+documents, "\n---\n") {
		object := &unstructured.Unstructured{}
		testkit.Must(t, yaml.Unmarshal([]byte(document), &object.Object))
		if object.Object == nil {
			continue
		}
		key := object.GetKind() + " " + object.GetName()
		if o[key] != nil {
			t.Fatalf("%s is there twice", key)
		}
		o[key] = object
	}
}

// write is the objects in YAML, except those whose kinds other projects define.
func (o objects) write(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, object := range o {
		switch object.GroupVersionKind().Group {
		case "monitoring.coreos.com", "cert-manager.io", "gateway.networking.k8s.io":
			continue
		}
		text, err := yaml.Marshal(object.Object)
		testkit.Must(t, err)
		all.WriteString("---\n" + string(text))
	}
	return all.String()
}
