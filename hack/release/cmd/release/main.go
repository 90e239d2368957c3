// Command release makes all of a release in a directory: the images, the plugin for every
// platform, the chart, the manifests to apply, what each program is made of and under which
// licences, and the checksums of all that, signed if a key is named. At the end, it pushes the
// images if a registry is named.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/bursar-dev/bursar/hack/release/dist"
	"github.com/bursar-dev/bursar/hack/release/source"
)

// passwordVariable has the password of the key that signs.
const passwordVariable = "BURSAR_SIGNING_PASSWORD"

func main() {
	var o dist.Options
	var root, output, version, architectures string
	var push bool
	flag.StringVar(&root, "root", "../..", "the clone to build from")
	flag.StringVar(&output, "output", "../../dist", "the directory of the release, which must be empty or not be there")
	flag.StringVar(&version, "version", "", "the version, such as v0.1.0 (default: by git)")
	flag.StringVar(&o.Registry, "registry", "", "registry and path of the images that the manifests name, such as registry.example.com/ai")
	flag.BoolVar(&push, "push", false, "push the images to the registry, at the end")
	flag.StringVar(&o.Kubectl, "kubectl", "kubectl", "the kubectl that renders kustomizations")
	flag.StringVar(&o.Key, "sign", "", "file with minisign's private key, whose password is in "+passwordVariable+"; the checksums are not signed without")
	flag.StringVar(&architectures, "architectures", "amd64,arm64", "for which architectures the images are")
	o.Platforms = source.Released
	flag.Func("platforms", "for which platforms the plugin is, such as linux/amd64,darwin/arm64 (default: all that are released)", func(list string) (err error) {
		o.Platforms, err = source.Platforms(list)
		return err
	})
	flag.Parse()
	o.Architectures, o.Password = strings.Split(architectures, ","), os.Getenv(passwordVariable)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, root, output, version, push, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, output, version string, push bool, o dist.Options) error {
	from, err := source.At(ctx, root, version)
	if err != nil {
		return err
	}
	if changed, err := from.IsChanged(ctx); err != nil || changed {
		return errors.Join(errors.New("a release is made of a commit: commit or stash your changes"), err)
	}
	if push && o.Registry == "" {
		return errors.New("-push needs -registry")
	}
	images, err := dist.Release(ctx, from, output, o)
	if err != nil {
		return err
	}
	for _, image := range images {
		fmt.Println(image)
	}
	if !push {
		return nil
	}
	return dist.Push(ctx, images, o.Registry)
}
