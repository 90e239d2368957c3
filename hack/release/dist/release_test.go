package dist_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"aead.dev/minisign"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/hack/release/dist"
	"github.com/bursar-dev/bursar/hack/release/source"
)

// TestRelease: two releases of one commit are equal, signature and all, and have what users
// install. It is made for this machine alone: the others differ in how Go compiles.
func TestRelease(t *testing.T) {
	kubectl := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	if _, err := os.Stat(kubectl); err != nil {
		t.Skip("no kubectl: set KUBEBUILDER_ASSETS")
	}
	key, public := newKey(t, "secret")
	here := source.Platform{OS: runtime.GOOS, Arch: runtime.GOARCH}
	var sums, signatures [2]string
	var directory string
	for i := range sums {
		directory = filepath.Join(t.TempDir(), "dist")
		images, err := dist.Release(t.Context(), at(t), directory, dist.Options{
			Registry: "registry.example.com/ai", Kubectl: kubectl, Key: key, Password: "secret",
			Architectures: []string{runtime.GOARCH}, Platforms: []source.Platform{here},
		})
		if err != nil {
			t.Fatal(err)
		}
		if digests := read(t, directory, "images/digests.txt"); len(images) != 3 || !strings.Contains(digests, images[0].String()+"\n") {
			t.Errorf("digests.txt is %q", digests)
		}
		sums[i], signatures[i] = read(t, directory, "SHA256SUMS"), read(t, directory, "SHA256SUMS.minisig")
	}
	if sums[0] != sums[1] || signatures[0] != signatures[1] {
		t.Errorf("two releases differ:\n%s\n%s", sums[0], sums[1])
	}
	if !minisign.Verify(public, []byte(sums[0]), []byte(signatures[0])) {
		t.Error("the signature is not of the key")
	}
	hasAll(t, sums[0])
	isInstalledByKrew(t, directory, here)
}

// newKey makes a key that signs, in a file.
func newKey(t *testing.T, password string) (file string, public minisign.PublicKey) {
	t.Helper()
	public, private, err := minisign.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := minisign.EncryptKey(password, private)
	file = filepath.Join(t.TempDir(), "bursar.key")
	if err := errors.Join(err, os.WriteFile(file, encrypted, 0o600)); err != nil {
		t.Fatal(err)
	}
	return file, public
}

func read(t *testing.T, directory, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(directory, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func hasAll(t *testing.T, sums string) {
	t.Helper()
	platform := runtime.GOOS + "-" + runtime.GOARCH
	want := []string{
		"THIRD_PARTY_LICENSES.txt", "budget.krew.yaml", "bursar-0.1.0-test.tgz", "bursar-console.yaml", "bursar-crds.yaml", "bursar.yaml",
		"images/bursar-console.tar", "images/bursar-enforcer.tar", "images/bursar-manager.tar", "images/digests.txt",
		"kubectl-budget_" + runtime.GOOS + "_" + runtime.GOARCH + ".tar.gz",
		"programs/console-" + platform, "programs/enforcer-" + platform, "programs/manager-" + platform,
		"sbom/console-" + platform + ".cdx.json", "sbom/enforcer-" + platform + ".cdx.json", "sbom/kubectl-budget-" + platform + ".cdx.json", "sbom/manager-" + platform + ".cdx.json",
	}
	var got []string
	for line := range strings.Lines(sums) {
		_, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		got = append(got, name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the release has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// isInstalledByKrew checks that the manifest fits the archive that it names, and that the
// archive has what it must have.
func isInstalledByKrew(t *testing.T, directory string, on source.Platform) {
	t.Helper()
	var manifest struct {
		Spec struct {
			Version   string
			Platforms []struct {
				Selector         struct{ MatchLabels map[string]string }
				URI, SHA256, Bin string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read(t, directory, "budget.krew.yaml")), &manifest); err != nil || len(manifest.Spec.Platforms) != 1 {
		t.Fatalf("the manifest for krew has the platforms %+v (%v)", manifest.Spec.Platforms, err)
	}
	platform := manifest.Spec.Platforms[0]
	archive := read(t, directory, "kubectl-budget_"+on.OS+"_"+on.Arch+".tar.gz")
	digest := sha256.Sum256([]byte(archive))
	if manifest.Spec.Version != "v0.1.0-test" || platform.SHA256 != hex.EncodeToString(digest[:]) ||
		platform.URI != dist.Downloads+"v0.1.0-test/kubectl-budget_"+on.OS+"_"+on.Arch+".tar.gz" ||
		platform.Selector.MatchLabels["os"] != on.OS || platform.Selector.MatchLabels["arch"] != on.Arch {
		t.Errorf("the manifest for krew has %+v", manifest.Spec)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader([]byte(archive)))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	in := tar.NewReader(unpacked)
	for header, err := in.Next(); !errors.Is(err, io.EOF); header, err = in.Next() {
		if err != nil {
			t.Fatal(err)
		}
		if names = append(names, header.Name); header.Name == platform.Bin && header.Mode != 0o755 {
			t.Errorf("the plugin has mode %o", header.Mode)
		}
	}
	if !slices.Equal(names, []string{platform.Bin, "LICENSE", "THIRD_PARTY_LICENSES.txt"}) {
		t.Errorf("the plugin's archive has %s", names)
	}
}

// TestReleaseWantsAnEmptyDirectory: what is there already would be signed, too.
func TestReleaseWantsAnEmptyDirectory(t *testing.T) {
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "old.tar"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := dist.Release(t.Context(), at(t), directory, dist.Options{}); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("%v, want an error about what is there", err)
	}
}
