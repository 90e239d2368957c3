// Package dist makes all of a release: images, the plugin for every platform with its manifest
// for krew, the chart, the manifests to apply, lists of what programs are made of, and signed
// checksums of all.
package dist

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/bursar-dev/bursar/hack/release/licenses"
	"github.com/bursar-dev/bursar/hack/release/source"
)

// notices is the file with the licences of what the programs are made of.
const notices = "THIRD_PARTY_LICENSES.txt"

// Options are what a release is made with.
type Options struct {
	// Registry is the registry that the manifests name for the images; if it is empty, they name none.
	Registry string
	// Kubectl renders the kustomizations.
	Kubectl string
	// Key is the file with minisign's private key, which Password opens. If it is empty, checksums
	// are not signed.
	Key, Password string
	// Architectures are those of the images, and Platforms those of the plugin.
	Architectures []string
	Platforms     []source.Platform
}

// Release makes a release in a directory that is empty or not there.
func Release(ctx context.Context, from source.Source, directory string, o Options) ([]Image, error) {
	if there, err := os.ReadDir(directory); err == nil && len(there) > 0 {
		return nil, fmt.Errorf("%s is not empty: what is in it would be signed, too; remove it", directory)
	}
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, err
	}
	// What is quick and may fail comes first: the version and the licences.
	if err := Chart(from, directory); err != nil {
		return nil, err
	}
	modules, err := licenses.Of(ctx, from, o.Platforms, slices.Sorted(maps.Keys(source.Programs))...)
	if err != nil {
		return nil, err
	}
	if err := write(directory, notices, licenses.Notices(modules)); err != nil {
		return nil, err
	}
	if err := Install(ctx, from, o.Kubectl, o.Registry, directory); err != nil {
		return nil, err
	}
	images, err := Images(ctx, from, modules, directory, source.Imaged, o.Architectures)
	if err != nil {
		return nil, err
	}
	if err := Plugin(ctx, from, modules, directory, o.Platforms...); err != nil {
		return nil, err
	}
	if err := Checksums(directory); err != nil || o.Key == "" {
		return images, err
	}
	return images, Sign(directory, o.Key, o.Password, "bursar "+from.Version)
}
