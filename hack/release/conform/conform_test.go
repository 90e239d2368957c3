package conform_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/hack/release/conform"
)

const root = "../../../"

// foreign are the modules that define kinds which chart and kustomizations use, and where.
var foreign = map[string]string{
	"sigs.k8s.io/gateway-api@v1.4.0":                             "config/crd/standard/*.yaml",
	"github.com/cert-manager/cert-manager@v1.19.1":               "deploy/crds/*.yaml",
	"github.com/prometheus-operator/prometheus-operator@v0.88.0": "example/prometheus-operator-crd/*.yaml",
}

// run runs a program in a directory, and returns what it writes.
func run(t *testing.T, directory, program string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	command := exec.CommandContext(t.Context(), program, args...)
	command.Dir, command.Stderr = directory, &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v: %s%s", program, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}

// module is the directory of a module.
func module(t *testing.T, from, name string) string {
	t.Helper()
	var downloaded struct{ Dir string }
	if err := json.Unmarshal([]byte(run(t, from, "go", "mod", "download", "-json", name)), &downloaded); err != nil {
		t.Fatal(err)
	}
	return downloaded.Dir
}

// schemas writes all schemas into a directory.
func schemas(t *testing.T) string {
	t.Helper()
	directory := t.TempDir()
	document, err := os.ReadFile(filepath.Join(module(t, root+"hack/tools", "k8s.io/kubernetes"), "api/openapi-spec/swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := conform.Kubernetes(directory, document); err != nil {
		t.Fatal(err)
	}
	definitions := []string{root + "config/crd/bases/*.yaml"}
	for name, glob := range foreign {
		definitions = append(definitions, filepath.Join(module(t, ".", name), glob))
	}
	for _, glob := range definitions {
		files, err := filepath.Glob(glob)
		if err != nil || len(files) == 0 {
			t.Fatalf("no definitions at %s (%v)", glob, err)
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err == nil {
				err = conform.Definition(directory, content)
			}
			if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
	}
	return directory
}

const options = `
console: {enabled: true, ingress: {enabled: true}, httpRoute: {enabled: true, parentRefs: [{name: gateway}], hostnames: [console.example.com]}}
monitoring: {monitors: {enabled: true}, rules: {enabled: true}, dashboard: {enabled: true}}
redis: {embedded: true}
postgres: {embedded: true}
enforcer:
  autoscaling: {enabled: true}
  ingress: {enabled: true, className: nginx, host: ai.example.com, tlsSecret: ai}
  httpRoute: {enabled: true, parentRefs: [{name: gateway}], hostnames: [ai.example.com]}
networkPolicy: {egress: {enabled: true, rules: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}}
webhooks: {certManager: {enabled: true, issuerRef: {kind: ClusterIssuer, name: internal}}}
`

// TestConform: what chart and kustomizations render conforms to the schemas of all its kinds, those
// of other projects too, without a field that these do not know.
func TestConform(t *testing.T) {
	kubectl := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	if _, err := os.Stat(kubectl); err != nil {
		t.Skip("no kubectl: set KUBEBUILDER_ASSETS")
	}
	directory := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(directory, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	values := write("values.yaml", options)
	rendered := []string{
		write("chart.yaml", run(t, "..", "go", "run", "./cmd/render")),
		write("chart-options.yaml", run(t, "..", "go", "run", "./cmd/render", values)),
	}
	for _, name := range []string{"crd", "namespace", "default", "console", "prometheus", "grafana", "providers", "samples"} {
		rendered = append(rendered, write(name+".yaml", run(t, ".", kubectl, "kustomize", root+"config/"+name)))
	}
	kubeconform := []string{"tool", "kubeconform", "-strict", "-summary", "-schema-location", filepath.Join(schemas(t), conform.Location)}
	t.Log(run(t, "..", "go", append(kubeconform, rendered...)...))

	// And it would find something.
	wrong := write("wrong.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replica: 1, selector: {}, template: {}}\n")
	command := exec.CommandContext(t.Context(), "go", append(kubeconform, wrong)...)
	command.Dir = ".."
	if out, err := command.CombinedOutput(); err == nil || !strings.Contains(string(out), "replica") {
		t.Errorf("%s", fmt.Sprint("a field that there is not is not found: ", string(out), err))
	}
}
