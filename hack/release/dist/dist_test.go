package dist_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"aead.dev/minisign"
	"helm.sh/helm/v3/pkg/chart/loader"

	"github.com/bursar-dev/bursar/hack/release/dist"
	"github.com/bursar-dev/bursar/hack/release/source"
)

func at(t *testing.T) source.Source {
	t.Helper()
	from, err := source.At(t.Context(), "../../..", "v0.1.0-test")
	if err != nil {
		t.Fatal(err)
	}
	return from
}

// TestChart: the packed chart loads, has the version, and has files where the clone has links;
// packed again, it is the same.
func TestChart(t *testing.T) {
	var packed [2][]byte
	for i := range packed {
		directory := t.TempDir()
		if err := dist.Chart(at(t), directory); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(directory, "bursar-0.1.0-test.tgz")
		var err error
		if packed[i], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
		loaded, err := loader.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		if loaded.Metadata.AppVersion != "v0.1.0-test" {
			t.Errorf("appVersion %q", loaded.Metadata.AppVersion)
		}
		found := false
		for _, file := range loaded.Files {
			found = found || file.Name == "files/enforcer/deployment.yaml" && strings.Contains(string(file.Data), "kind: Deployment")
		}
		if !found {
			t.Error("the manifests are not in the chart")
		}
	}
	if string(packed[0]) != string(packed[1]) {
		t.Error("packed twice, the chart differs")
	}
	if err := dist.Chart(source.Source{Root: at(t).Root, Version: "latest"}, t.TempDir()); err == nil {
		t.Error("a chart of the version latest is packed")
	}
}

// TestChecksums: of all files, signed so that a change shows.
func TestChecksums(t *testing.T) {
	directory := t.TempDir()
	key, public := newKey(t, "secret")
	if err := errors.Join(os.Mkdir(filepath.Join(directory, "images"), 0o755),
		os.WriteFile(filepath.Join(directory, "images", "a.tar"), []byte("a"), 0o600), os.WriteFile(filepath.Join(directory, "b"), []byte("b"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time, without those of itself
		if err := errors.Join(dist.Checksums(directory), dist.Sign(directory, key, "secret", "bursar v0.1.0")); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := os.ReadFile(filepath.Join(directory, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b\n" +
		"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  images/a.tar\n"
	if string(sums) != want {
		t.Errorf("got\n%s", sums)
	}
	signature, err := os.ReadFile(filepath.Join(directory, "SHA256SUMS.minisig"))
	if err != nil || !minisign.Verify(public, sums, signature) || minisign.Verify(public, append(sums, 'x'), signature) {
		t.Errorf("the signature does not tell what is ours (%v)", err)
	}
	if !strings.Contains(string(signature), "trusted comment: bursar v0.1.0\n") {
		t.Errorf("the signature does not say of which version: %s", signature)
	}
	if err := dist.Sign(directory, key, "wrong", "bursar v0.1.0"); err == nil {
		t.Error("signed without the password")
	}
}

// TestInstall: the manifests name the images of the release.
func TestInstall(t *testing.T) {
	kubectl := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	if _, err := os.Stat(kubectl); err != nil || runtime.GOOS != "linux" {
		t.Skip("no kubectl: set KUBEBUILDER_ASSETS")
	}
	directory := t.TempDir()
	if err := dist.Install(t.Context(), at(t), kubectl, "registry.example.com/ai", directory); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"bursar.yaml": "image: registry.example.com/ai/bursar-enforcer:v0.1.0-test\n", "bursar-console.yaml": "image: registry.example.com/ai/bursar-console:v0.1.0-test\n",
		"bursar-crds.yaml": "kind: Namespace\n",
	} {
		if content, err := os.ReadFile(filepath.Join(directory, file)); err != nil || !strings.Contains(string(content), want) {
			t.Errorf("%s has no %q (%v)", file, want, err)
		}
	}
}
