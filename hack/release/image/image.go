// Package image makes the images of Bursar's programs without a container tool: each has one
// program, the certificate authorities that it trusts, a user, and nothing else. The same
// commit, version and Go make the same digests.
package image

import (
	"context"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/bursar-dev/bursar/hack/release/source"
)

// titles describe the programs for people who look at an image.
var titles = map[string]string{
	"manager":  "Bursar's control plane: reconciles budgets into what enforcers run",
	"enforcer": "Bursar's data plane: admits or refuses model calls before they are made",
	"console":  "Bursar's console: what was spent, what is left, and why a call was refused",
}

// homepage is where the source is.
const homepage = "https://github.com/bursar-dev/bursar"

// Build makes the image of a program, for each of the architectures, with the notices of the
// modules in it. It leaves the compiled programs in a directory, as NAME-linux-ARCH.
func Build(ctx context.Context, from source.Source, name, directory string, notices []byte, architectures ...string) (v1.ImageIndex, error) {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, architecture := range architectures {
		platform := source.Platform{OS: "linux", Arch: architecture}
		path := filepath.Join(directory, name+"-linux-"+architecture)
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return nil, err
		}
		if err := from.Build(ctx, name, platform, path); err != nil {
			return nil, err
		}
		image, err := one(from, name, path, notices, platform)
		if err != nil {
			return nil, err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{
			Platform: &v1.Platform{OS: platform.OS, Architecture: platform.Arch},
		}})
	}
	return mutate.Annotations(index, labels(from, name)).(v1.ImageIndex), nil
}

// one is the image for one architecture.
func one(from source.Source, name, path string, notices []byte, platform source.Platform) (v1.Image, error) {
	lower, err := layer(base(notices), from.Date)
	if err != nil {
		return nil, err
	}
	upper, err := program(name, path, from.Date)
	if err != nil {
		return nil, err
	}
	image := mutate.MediaType(empty.Image, types.OCIManifestSchema1)
	image = mutate.ConfigMediaType(image, types.OCIConfigJSON)
	history := func(what string) v1.History {
		return v1.History{Created: v1.Time{Time: from.Date}, CreatedBy: "hack/release: " + what}
	}
	if image, err = mutate.Append(image,
		mutate.Addendum{Layer: lower, History: history("certificate authorities, a user and licences"), MediaType: types.OCILayer},
		mutate.Addendum{Layer: upper, History: history(name), MediaType: types.OCILayer},
	); err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = platform.OS, platform.Arch, v1.Time{Time: from.Date}
	file.Config = v1.Config{User: user, Entrypoint: []string{"/" + name}, WorkingDir: "/", Labels: labels(from, name)}
	return mutate.ConfigFile(image, file)
}

// labels are those that registries and scanners read.
func labels(from source.Source, name string) map[string]string {
	const prefix = "org.opencontainers.image."
	return map[string]string{
		prefix + "title":         "bursar-" + name,
		prefix + "description":   titles[name],
		prefix + "version":       from.Version,
		prefix + "revision":      from.Commit,
		prefix + "created":       from.Date.Format(time.RFC3339),
		prefix + "source":        homepage,
		prefix + "url":           homepage,
		prefix + "documentation": homepage + "/tree/main/docs",
		prefix + "vendor":        "Bursar",
		prefix + "licenses":      "Apache-2.0",
	}
}
