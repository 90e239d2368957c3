// Package licenses finds the licences of what programs are made of, refuses those under which
// Bursar cannot be distributed, and writes the notices that the others require.
package licenses

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"

	"github.com/bursar-dev/bursar/hack/release/source"
)

// allowed are the licences, by their names in SPDX, that require nothing except that their
// texts are distributed, too.
var allowed = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-2-Clause-FreeBSD", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "PostgreSQL", "Unlicense", "Zlib"}

// minCoverage is how much of a text, in per cent, must be known as licences.
const minCoverage = 75

// Module is a module that is linked in, and its licences.
type Module struct {
	Path, Version string
	// Licenses are the names in SPDX of the licences of the packages that are used, in order.
	Licenses []string
	// texts are licences and notices, in order of their files' names.
	texts []string
}

// Of are the modules that programs are made of on any of the platforms, with their licences, in
// order of their paths. It fails if a module has no licence, or one that is not allowed.
func Of(ctx context.Context, from source.Source, platforms []source.Platform, programs ...string) ([]Module, error) {
	files := map[[2]string][]string{} // by path and version
	for _, platform := range platforms {
		packages, err := from.Packages(ctx, platform, programs...)
		if err != nil {
			return nil, err
		}
		for _, p := range packages {
			key := [2]string{p.Module.Path, p.Module.Version}
			found, err := filesOf(p)
			if err != nil {
				return nil, err
			}
			files[key] = append(files[key], found...)
		}
	}
	var all []Module
	var refused error
	for key, paths := range files {
		slices.Sort(paths)
		module, err := read(key[0], key[1], slices.Compact(paths))
		refused = errors.Join(refused, err)
		all = append(all, module)
	}
	slices.SortFunc(all, func(a, b Module) int { return strings.Compare(a.Path+" "+a.Version, b.Path+" "+b.Version) })
	return all, refused
}

// filesOf are the licences and notices in a package's directory and in those above it, up to its
// module's.
func filesOf(p source.Package) (files []string, err error) {
	for directory := p.Dir; strings.HasPrefix(directory, p.Module.Dir); directory = filepath.Dir(directory) {
		entries, err := os.ReadDir(directory)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if isLicense(entry) {
				files = append(files, filepath.Join(directory, entry.Name()))
			}
		}
	}
	return files, nil
}

func isLicense(entry fs.DirEntry) bool {
	if entry.IsDir() || strings.HasSuffix(entry.Name(), ".go") {
		return false
	}
	for _, begins := range []string{"LICENSE", "LICENCE", "COPYING", "NOTICE"} {
		if strings.HasPrefix(strings.ToUpper(entry.Name()), begins) {
			return true
		}
	}
	return false
}

// read reads the licences of a module.
func read(path, version string, files []string) (Module, error) {
	module := Module{Path: path, Version: version}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return module, err
		}
		module.texts = append(module.texts, string(text))
		if strings.HasPrefix(strings.ToUpper(filepath.Base(file)), "NOTICE") {
			continue
		}
		found, err := Identify(text)
		if err != nil {
			return module, fmt.Errorf("%s %s: %s: %w", path, version, filepath.Base(file), err)
		}
		module.Licenses = append(module.Licenses, found...)
	}
	slices.Sort(module.Licenses)
	module.Licenses = slices.Compact(module.Licenses)
	if len(module.Licenses) == 0 {
		return module, fmt.Errorf("%s %s has no licence", path, version)
	}
	return module, nil
}

// Identify returns the licences that a text has. It fails if one of them is not allowed, or if much of the text is something else.
func Identify(text []byte) (names []string, err error) {
	coverage := licensecheck.Scan(text)
	for _, match := range coverage.Match {
		if match.IsURL {
			continue // as in the header that Apache's licence has at its end
		}
		if !slices.Contains(allowed, match.ID) {
			return nil, fmt.Errorf("%s is not one of %s", match.ID, strings.Join(allowed, ", "))
		}
		names = append(names, match.ID)
	}
	if len(names) == 0 || coverage.Percent < minCoverage {
		return nil, fmt.Errorf("%.0f %% of it are known as a licence, want %d", coverage.Percent, minCoverage)
	}
	return names, nil
}

// Notices is what must be distributed with the programs: each text once, below the modules that
// have it.
func Notices(modules []Module) []byte {
	having, order := map[string][]string{}, []string{}
	for _, module := range modules {
		for _, text := range module.texts {
			if having[text] == nil {
				order = append(order, text)
			}
			name := strings.TrimSpace(module.Path + " " + module.Version)
			if !slices.Contains(having[text], name) {
				having[text] = append(having[text], name)
			}
		}
	}
	var all bytes.Buffer
	all.WriteString("Bursar's programs contain the modules below, under the licences that follow their names.\n")
	for _, text := range order {
		fmt.Fprintf(&all, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 80), strings.Join(having[text], "\n"), strings.TrimSpace(text))
	}
	return all.Bytes()
}
