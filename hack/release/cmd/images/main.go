// Command images makes the images of Bursar's programs, for each architecture, as archives, and
// pushes them where a registry is named.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/bursar-dev/bursar/hack/release/image"
	"github.com/bursar-dev/bursar/hack/release/sbom"
	"github.com/bursar-dev/bursar/hack/release/source"
)

type options struct {
	root, output, version, registry string
	programs, architectures         []string
}

func main() {
	var o options
	var programs, architectures string
	flag.StringVar(&o.root, "root", "../..", "the clone to build from")
	flag.StringVar(&o.output, "output", "../../dist", "where images/, sbom/ and programs/ go")
	flag.StringVar(&o.version, "version", "", "what the programs say that they are, and the images' tag (default: by git)")
	flag.StringVar(&o.registry, "push", "", "registry and path to push to, such as registry.example.com/ai; none by default")
	flag.StringVar(&programs, "programs", "manager,enforcer,console", "which programs")
	flag.StringVar(&architectures, "architectures", "amd64,arm64", "for which architectures")
	flag.Parse()
	o.programs, o.architectures = strings.Split(programs, ","), strings.Split(architectures, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "images:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	from, err := source.At(ctx, o.root, o.version)
	if err != nil {
		return err
	}
	changed, err := from.IsChanged(ctx)
	if err != nil {
		return err
	}
	if changed {
		fmt.Fprintln(os.Stderr, "images: there are changes that are not committed: the images name a commit that does not have them")
	}
	for _, program := range o.programs {
		if err := makeImage(ctx, from, o, program); err != nil {
			return fmt.Errorf("%s: %w", program, err)
		}
	}
	return nil
}

// makeImage makes the image of one program.
func makeImage(ctx context.Context, from source.Source, o options, program string) error {
	programs := filepath.Join(o.output, "programs")
	index, err := image.Build(ctx, from, program, programs, o.architectures...)
	if err != nil {
		return err
	}
	for _, directory := range []string{"images", "sbom"} {
		if err := os.MkdirAll(filepath.Join(o.output, directory), 0o755); err != nil {
			return err
		}
	}
	digest, err := index.Digest()
	if err != nil {
		return err
	}
	archive := filepath.Join(o.output, "images", "bursar-"+program+".tar")
	if err := image.Archive(index, "bursar-"+program, from.Version, from.Date, archive); err != nil {
		return err
	}
	fmt.Printf("bursar-%s:%s@%s %s\n", program, from.Version, digest, archive)
	for _, architecture := range o.architectures {
		if err := list(from, o, program, architecture); err != nil {
			return err
		}
	}
	return push(ctx, index, o.registry, "bursar-"+program, from.Version)
}

// list writes what a program is made of.
func list(from source.Source, o options, program, architecture string) (err error) {
	file := program + "-linux-" + architecture
	to, err := os.Create(filepath.Join(o.output, "sbom", file+".cdx.json"))
	if err != nil {
		return err
	}
	defer func() {
		if closed := to.Close(); err == nil {
			err = closed
		}
	}()
	return sbom.Write(to, from, program, filepath.Join(o.output, "programs", file))
}

// push pushes an image, with the credentials that docker's configuration has.
func push(ctx context.Context, index v1.ImageIndex, registry, image, tag string) error {
	if registry == "" {
		return nil
	}
	reference, err := name.ParseReference(registry + "/" + image + ":" + tag)
	if err != nil {
		return err
	}
	if err := remote.WriteIndex(reference, index, remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)); err != nil {
		return fmt.Errorf("push to %s: %w", reference, err)
	}
	fmt.Println("pushed", reference)
	return nil
}
