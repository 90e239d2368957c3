package dist

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/hack/release/archive"
	"github.com/bursar-dev/bursar/hack/release/source"
)

// Chart packs the chart, of the version that is built, into a directory, as `helm package` does,
// with files instead of links.
func Chart(from source.Source, directory string) error {
	log.SetOutput(io.Discard) // the loader mentions each link that it follows
	loaded, err := loader.Load(filepath.Join(from.Root, "config/chart"))
	if err != nil {
		return err
	}
	loaded.Metadata.Version, loaded.Metadata.AppVersion = strings.TrimPrefix(from.Version, "v"), from.Version
	if err := loaded.Validate(); err != nil {
		return fmt.Errorf("the chart cannot have the version %q: %w", from.Version, err)
	}
	metadata, err := yaml.Marshal(loaded.Metadata)
	if err != nil {
		return err
	}
	var files []archive.File
	for _, file := range loaded.Raw {
		content := file.Data
		if file.Name == chartutil.ChartfileName {
			content = metadata
		}
		files = append(files, archive.File{Name: loaded.Name() + "/" + file.Name, Mode: 0o644, Content: content})
	}
	slices.SortFunc(files, func(a, b archive.File) int { return strings.Compare(a.Name, b.Name) })
	var packed bytes.Buffer
	if err := archive.TarGzip(&packed, from.Date, files...); err != nil {
		return err
	}
	return write(directory, chartFile(loaded), packed.Bytes())
}

func chartFile(of *chart.Chart) string {
	return of.Name() + "-" + of.Metadata.Version + ".tgz"
}
