// Package sbom lists what a program is made of, in CycloneDX's form, from what the go command
// has noted in it.
package sbom

import (
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"

	"github.com/bursar-dev/bursar/hack/release/licenses"
	"github.com/bursar-dev/bursar/hack/release/source"
)

// Write writes the list of a program in a file, with the licences of the modules. The same
// program has the same list.
func Write(to io.Writer, from source.Source, modules []licenses.Module, name, file string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	built, err := buildinfo.ReadFile(file)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	digest := sha256.Sum256(content)
	bom := cyclonedx.NewBOM()
	bom.SerialNumber = uuid.NewHash(sha256.New(), uuid.NameSpaceURL, digest[:], 8).URN()
	bom.Metadata = &cyclonedx.Metadata{
		Timestamp: from.Date.Format(time.RFC3339),
		Component: &cyclonedx.Component{
			BOMRef: name, Type: cyclonedx.ComponentTypeApplication, Name: name, Version: from.Version,
			PackageURL: purl(built.Main.Path, from.Version) + "#" + strings.TrimPrefix(source.Programs[name], "./"),
			Hashes:     &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(digest[:])}},
			Properties: &[]cyclonedx.Property{{Name: "bursar:commit", Value: from.Commit}},
		},
	}
	components := components(built, modules)
	bom.Components = &components
	var refs []string
	for _, component := range components {
		refs = append(refs, component.BOMRef)
	}
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: name, Dependencies: &refs}}
	return cyclonedx.NewBOMEncoder(to, cyclonedx.BOMFileFormatJSON).SetPretty(true).Encode(bom)
}

// components are the standard library and the modules that are linked in, in order.
func components(built *buildinfo.BuildInfo, modules []licenses.Module) []cyclonedx.Component {
	all := []cyclonedx.Component{component("std", strings.TrimPrefix(built.GoVersion, "go"), "")}
	for _, module := range built.Deps {
		if module.Replace != nil {
			module = module.Replace
		}
		all = append(all, component(module.Path, module.Version, module.Sum))
	}
	for i, c := range all {
		at := slices.IndexFunc(modules, func(m licenses.Module) bool { return m.Path == c.Name })
		if at >= 0 {
			all[i].Licenses = &cyclonedx.Licenses{{Expression: strings.Join(modules[at].Licenses, " AND ")}}
		}
	}
	slices.SortFunc(all, func(a, b cyclonedx.Component) int { return strings.Compare(a.BOMRef, b.BOMRef) })
	return all
}

func component(path, version, sum string) cyclonedx.Component {
	c := cyclonedx.Component{
		BOMRef: purl(path, version), Type: cyclonedx.ComponentTypeLibrary, Name: path, Version: version, PackageURL: purl(path, version),
	}
	if sum != "" {
		c.Properties = &[]cyclonedx.Property{{Name: "go:sum", Value: sum}}
	}
	return c
}

func purl(path, version string) string { return "pkg:golang/" + path + "@" + version }
