// Package release makes what users install: images (image, cmd/images), lists of what is in
// them (sbom) and, in chart, holds the Helm chart against the kustomizations. It is a module
// of its own, because the product needs none of what this takes.
package release
