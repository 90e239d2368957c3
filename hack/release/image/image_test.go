package image_test

import (
	"archive/tar"
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"

	"github.com/bursar-dev/bursar/hack/release/image"
	"github.com/bursar-dev/bursar/hack/release/licenses"
	"github.com/bursar-dev/bursar/hack/release/sbom"
	"github.com/bursar-dev/bursar/hack/release/source"
)

const program = "enforcer"

// must gives a result, or ends the test: must(f())(t).
func must[T any](result T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return result
	}
}

// TestImage: two builds are equal, and an image has what its program needs, and no more. It
// builds one program for this machine: the others differ from it in their names alone.
func TestImage(t *testing.T) {
	from := must(source.At(t.Context(), "../../..", "v0.0.0-test"))(t)
	var digests []v1.Hash
	var archives [][]byte
	var compiled string
	for range 2 {
		// Relative to where the test runs, which is not where the build does.
		directory := must(filepath.Rel(must(os.Getwd())(t), t.TempDir()))(t)
		index := must(image.Build(t.Context(), from, program, directory, []byte("as is"), runtime.GOARCH))(t)
		digests = append(digests, must(index.Digest())(t))
		archive := filepath.Join(directory, "image.tar")
		if err := image.Archive(index, "bursar-"+program, from.Version, from.Date, archive); err != nil {
			t.Fatal(err)
		}
		archives = append(archives, must(os.ReadFile(archive))(t))
		compiled = filepath.Join(directory, program+"-linux-"+runtime.GOARCH)
	}
	if digests[0] != digests[1] || !bytes.Equal(archives[0], archives[1]) {
		t.Errorf("two builds of one commit differ: %v", digests)
	}
	one := open(t, archives[0], digests[0])
	hasLabels(t, one, from)
	hasFiles(t, one)
	saysItsVersion(t, compiled, from)
	isListed(t, compiled, from)
}

// open is the one image in an archive, which has the digest.
func open(t *testing.T, archive []byte, digest v1.Hash) v1.Image {
	t.Helper()
	directory := t.TempDir()
	for name, content := range files(t, bytes.NewReader(archive)) {
		path := filepath.Join(directory, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	root := must(layout.ImageIndexFromPath(directory))(t)
	named := must(root.IndexManifest())(t).Manifests[0].Annotations["io.containerd.image.name"]
	if want := "docker.io/library/bursar-" + program + ":v0.0.0-test"; named != want {
		t.Errorf("for containerd the image is %q, want %q, as pods ask for it", named, want)
	}
	index := must(root.ImageIndex(digest))(t)
	manifest := must(index.IndexManifest())(t)
	if len(manifest.Manifests) != 1 || manifest.Manifests[0].Platform.Architecture != runtime.GOARCH {
		t.Fatalf("the index has %+v", manifest.Manifests)
	}
	return must(index.Image(manifest.Manifests[0].Digest))(t)
}

// files are the files of a tar archive.
func files(t *testing.T, archive io.Reader) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	for in := tar.NewReader(archive); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeReg {
			found[header.Name] = must(io.ReadAll(in))(t)
		}
	}
}

func hasLabels(t *testing.T, one v1.Image, from source.Source) {
	t.Helper()
	file := must(one.ConfigFile())(t)
	if file.Config.User != "65532:65532" || !slices.Equal(file.Config.Entrypoint, []string{"/" + program}) {
		t.Errorf("user %q, entrypoint %q", file.Config.User, file.Config.Entrypoint)
	}
	for label, want := range map[string]string{"version": from.Version, "revision": from.Commit, "title": "bursar-" + program, "licenses": "Apache-2.0"} {
		if got := file.Config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s: %q, want %q", label, got, want)
		}
	}
	if !file.Created.Equal(from.Date) {
		t.Errorf("created %s, want the commit's %s", file.Created, from.Date)
	}
}

func hasFiles(t *testing.T, one v1.Image) {
	t.Helper()
	found := map[string][]byte{}
	for _, layer := range must(one.Layers())(t) {
		for name, content := range files(t, must(layer.Uncompressed())(t)) {
			found[name] = content
		}
	}
	want := []string{program, "etc/group", "etc/passwd", "etc/ssl/certs/ca-certificates.crt", "licenses/THIRD_PARTY_LICENSES.txt"}
	for name := range found {
		if !slices.Contains(want, name) {
			t.Errorf("the image has %s", name)
		}
	}
	if len(found) != len(want) {
		t.Errorf("the image has %d files, want %v", len(found), want)
	}
	if pool := x509.NewCertPool(); !pool.AppendCertsFromPEM(found["etc/ssl/certs/ca-certificates.crt"]) {
		t.Error("the image has no certificate authorities")
	}
}

func saysItsVersion(t *testing.T, compiled string, from source.Source) {
	t.Helper()
	said := string(must(exec.CommandContext(t.Context(), compiled, "--version").Output())(t))
	if !strings.HasPrefix(said, program+" v0.0.0-test (commit "+from.Commit+" of "+from.Date.Format("2006-01-02T15:04:05Z")) {
		t.Errorf("--version says %q", said)
	}
}

// isListed checks that the list of what is in a program has the modules without which nothing
// works.
func isListed(t *testing.T, compiled string, from source.Source) {
	t.Helper()
	var list bytes.Buffer
	modules := must(licenses.Of(t.Context(), from, []source.Platform{{OS: "linux", Arch: runtime.GOARCH}}, program))(t)
	if err := sbom.Write(&list, from, modules, program, compiled); err != nil {
		t.Fatal(err)
	}
	var read struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct {
			Name, Version, PURL string
			Licenses            []struct{ Expression string }
		}
	}
	if err := json.Unmarshal(list.Bytes(), &read); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"std", "github.com/jackc/pgx/v5", "github.com/redis/go-redis/v9"} {
		found := false
		for _, component := range read.Components {
			found = found || component.Name == name && component.Version != "" && component.PURL == "pkg:golang/"+name+"@"+component.Version &&
				len(component.Licenses) == 1 && component.Licenses[0].Expression != ""
		}
		if !found {
			t.Errorf("the list does not have %s, or not its licence", name)
		}
	}
}
