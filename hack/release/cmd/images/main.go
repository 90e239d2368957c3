// Command images makes the images of Bursar's programs, for each architecture, as archives, and
// pushes them where a registry is named.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/bursar-dev/bursar/hack/release/dist"
	"github.com/bursar-dev/bursar/hack/release/licenses"
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
	flag.StringVar(&programs, "programs", strings.Join(source.Imaged, ","), "which programs")
	flag.StringVar(&architectures, "architectures", "amd64,arm64", "for which architectures")
	flag.Parse()
	o.programs, o.architectures = strings.Split(programs, ","), strings.Split(architectures, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
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
	modules, err := licenses.Of(ctx, from, source.Released, source.Imaged...)
	if err != nil {
		return err
	}
	images, err := dist.Images(ctx, from, modules, o.output, o.programs, o.architectures)
	if err != nil {
		return err
	}
	for _, image := range images {
		fmt.Println(image)
	}
	if o.registry == "" {
		return nil
	}
	return dist.Push(ctx, images, o.registry)
}
