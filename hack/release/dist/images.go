package dist

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/bursar-dev/bursar/hack/release/image"
	"github.com/bursar-dev/bursar/hack/release/licenses"
	"github.com/bursar-dev/bursar/hack/release/sbom"
	"github.com/bursar-dev/bursar/hack/release/source"
)

// Image is the image of a program, for all architectures.
type Image struct {
	Name, Tag, Digest string
	index             v1.ImageIndex
}

// String is the image as manifests name it, without a registry.
func (i Image) String() string { return i.Name + ":" + i.Tag + "@" + i.Digest }

// Images writes into a directory: archives of the images of programs (images/) with a list of
// their digests, the programs themselves (programs/), and what each is made of (sbom/).
func Images(ctx context.Context, from source.Source, modules []licenses.Module, directory string, programs, architectures []string) ([]Image, error) {
	var all []Image
	var digests strings.Builder
	for _, program := range programs {
		made, err := makeImage(ctx, from, modules, directory, program, architectures)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", program, err)
		}
		all = append(all, made)
		fmt.Fprintln(&digests, made)
	}
	return all, write(directory, "images/digests.txt", []byte(digests.String()))
}

func makeImage(ctx context.Context, from source.Source, modules []licenses.Module, directory, program string, architectures []string) (made Image, err error) {
	made = Image{Name: "bursar-" + program, Tag: from.Version}
	programs := filepath.Join(directory, "programs")
	if made.index, err = image.Build(ctx, from, program, programs, licenses.Notices(modules), architectures...); err != nil {
		return made, err
	}
	digest, err := made.index.Digest()
	if err != nil {
		return made, err
	}
	made.Digest = digest.String()
	archive := filepath.Join(directory, "images", made.Name+".tar")
	if err := os.MkdirAll(filepath.Dir(archive), 0o755); err != nil {
		return made, err
	}
	if err := image.Archive(made.index, made.Name, from.Version, from.Date, archive); err != nil {
		return made, err
	}
	for _, architecture := range architectures {
		file := program + "-linux-" + architecture
		if err := list(from, modules, directory, program, file, filepath.Join(programs, file)); err != nil {
			return made, err
		}
	}
	return made, nil
}

// list writes what a program is made of into the directory's sbom/, under a name.
func list(from source.Source, modules []licenses.Module, directory, program, name, file string) error {
	var made strings.Builder
	if err := sbom.Write(&made, from, modules, program, file); err != nil {
		return err
	}
	return write(directory, "sbom/"+name+".cdx.json", []byte(made.String()))
}

// write writes a file of a directory, whose name may have a directory before it.
func write(directory, name string, content []byte) error {
	file := filepath.Join(directory, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o644)
}

// Push pushes images to a registry and path, with the credentials that docker's configuration
// has.
func Push(ctx context.Context, images []Image, registry string) error {
	for _, pushed := range images {
		reference, err := name.ParseReference(registry + "/" + pushed.Name + ":" + pushed.Tag)
		if err != nil {
			return err
		}
		if err := remote.WriteIndex(reference, pushed.index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
			return fmt.Errorf("push to %s: %w", reference, err)
		}
		fmt.Println("pushed", reference)
	}
	return nil
}
