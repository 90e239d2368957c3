package image

import (
	"archive/tar"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/match"
)

// Archive writes an image into a file, in OCI's layout, as `ctr images import`, `podman load`
// and `skopeo copy oci-archive:FILE` read it, under a name such as "bursar-enforcer:v0.1.0".
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
	names := map[string]string{"io.containerd.image.name": name + ":" + tag, "org.opencontainers.image.ref.name": tag}
	if err := path.ReplaceIndex(index, match.Name(tag), layout.WithAnnotations(names)); err != nil {
		return fmt.Errorf("write the image: %w", err)
	}
	return pack(directory, at, to)
}

// pack packs a directory, in the order of its files' names, all of the time given.
func pack(directory string, at time.Time, to string) (err error) {
	archive, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() {
		if closed := archive.Close(); err == nil {
			err = closed
		}
	}()
	out := tar.NewWriter(archive)
	err = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == directory {
			return err
		}
		name, err := filepath.Rel(directory, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return out.WriteHeader(header(name+"/", tar.TypeDir, 0o755, 0, at))
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := out.WriteHeader(header(name, tar.TypeReg, 0o644, len(content), at)); err != nil {
			return err
		}
		_, err = out.Write(content)
		return err
	})
	if err != nil {
		return err
	}
	return out.Close()
}
