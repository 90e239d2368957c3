package kubernetes

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

// assetsVariable is the environment variable that names a directory with the
// programs of Kubernetes.
const assetsVariable = "KUBEBUILDER_ASSETS"

// ErrMissing means that the programs of Kubernetes are not there.
var ErrMissing = errors.New("run `make tools`, or set " + assetsVariable + " to a directory with kube-apiserver, etcd and kubectl")

// Assets is the directory with kube-apiserver, etcd and kubectl: that of
// KUBEBUILDER_ASSETS if set, else hack/tools/bin of this repository.
func Assets() (string, error) {
	dir := os.Getenv(assetsVariable)
	if dir == "" {
		root, err := Root()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(root, "hack", "tools", "bin")
	}
	for _, name := range []string{"kube-apiserver", "etcd", "kubectl"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("%s not found in %s: %w", name, dir, ErrMissing)
		}
	}
	return dir, nil
}

var ourModule = regexp.MustCompile(`(?m)^module github\.com/bursar-dev/bursar$`)

// Root is the directory of this repository: the nearest one, from the working
// directory upwards, whose go.mod is Bursar's.
func Root() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		content, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && ourModule.Match(content) {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside a checkout of github.com/bursar-dev/bursar: run this from one", start)
		}
	}
}
