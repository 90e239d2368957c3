// Package release makes what users install: all of a release (dist, cmd/release), images (image,
// cmd/images), lists of what is in them (sbom) and under which licences (licenses). It is a
// module of its own, because the product needs none of what this takes.
package release
