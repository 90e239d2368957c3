// Command render prints what the Helm chart renders, as `helm template` does, once for each
// file of values that it is given, with lines of "# values: FILE" between them. Without a file
// it renders the chart's own values. The notes come last, as comments.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

func main() {
	log.SetOutput(io.Discard) // the loader mentions each link that it follows
	path := flag.String("chart", "../../config/chart", "the chart's directory")
	namespace := flag.String("namespace", "bursar-system", "the namespace of the release")
	flag.Parse()
	files := flag.Args()
	if len(files) == 0 {
		files = []string{os.DevNull}
	}
	for _, file := range files {
		if err := render(os.Stdout, *path, *namespace, file); err != nil {
			fmt.Fprintf(os.Stderr, "render: %s: %v\n", file, err)
			os.Exit(1)
		}
	}
}

func render(to io.Writer, path, namespace, file string) error {
	loaded, err := loader.Load(path)
	if err != nil {
		return err
	}
	given, err := chartutil.ReadValuesFile(file)
	if err != nil {
		return err
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	release := chartutil.ReleaseOptions{Name: "bursar", Namespace: namespace, IsInstall: true, Revision: 1}
	values, err := chartutil.ToRenderValues(loaded, given, release, capabilities)
	if err != nil {
		return err
	}
	rendered, err := engine.Render(loaded, values)
	if err != nil {
		return err
	}
	return write(to, loaded, file, rendered)
}

// write writes what was rendered, in order of the templates' names.
func write(to io.Writer, loaded *chart.Chart, file string, rendered map[string]string) error {
	fmt.Fprintf(to, "# values: %s\n", file)
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		content := rendered[name]
		switch {
		case strings.HasSuffix(name, ".tpl") || strings.TrimSpace(content) == "":
			continue
		case strings.HasSuffix(name, "NOTES.txt"):
			content = "# " + strings.ReplaceAll(strings.TrimSpace(content), "\n", "\n# ") + "\n"
		}
		if _, err := fmt.Fprintf(to, "---\n# %s\n%s\n", strings.TrimPrefix(name, loaded.Name()+"/"), content); err != nil {
			return err
		}
	}
	return nil
}
