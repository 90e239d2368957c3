package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"

	"github.com/bursar-dev/bursar/hack/release/archive"
)

// Archive writes an image into a file, in OCI's layout, as `ctr images import`, `podman load`
// and `skopeo copy oci-archive:FILE` read it, under a name such as "bursar-enforcer:v0.1.0".
// Containerd is told the whole name, docker.io/library/bursar-enforcer:v0.1.0: that is what a pod
// with the short one asks a node for, as with Docker's own archives.
func Archive(index v1.ImageIndex, name, tag string, at time.Time, to string) (err error) {
	directory, err := os.MkdirTemp("", "bursar-image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	path, err := layout.Write(directory, empty.Index)
	if err != nil {
		return fmt.Errorf("write the layout: %w", err)
	}
	// containerd and docker take the whole name, others the tag.
	names := map[string]string{"io.containerd.image.name": "docker.io/library/" + name + ":" + tag, "org.opencontainers.image.ref.name": tag}
	if err := path.ReplaceIndex(index, match.Name(tag), layout.WithAnnotations(names)); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	return pack(directory, at, to)
}

// pack packs the files of a directory, in the order of their names, all of the time given.
func pack(directory string, at time.Time, to string) (err error) {
	var files []archive.File
	err = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(directory, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		files = append(files, archive.File{Name: filepath.ToSlash(name), Mode: 0o644, Content: content})
		return err
	})
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	return errors.Join(archive.Tar(out, at, files...), out.Close())
}
