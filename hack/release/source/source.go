// Package source says which commit is built, and compiles programs of it.
package source

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// module is the path of the product's module.
const module = "github.com/bursar-dev/bursar"

// Source is a clone of the repository at a commit.
type Source struct {
	// Root is its directory.
	Root string
	// Version is what is built, such as "v0.1.0".
	Version string
	// Commit is the hash of the commit, and Date its time, to the second.
	Commit string
	Date   time.Time
}

// At is the source in a directory. Without a version, the version is the nearest tag that
// begins with v, or else the commit.
func At(ctx context.Context, root, version string) (s Source, err error) {
	if s.Root, err = filepath.Abs(root); err != nil {
		return s, err
	}
	if s.Commit, err = s.git(ctx, "rev-parse", "HEAD"); err != nil {
		return s, err
	}
	date, err := s.git(ctx, "show", "-s", "--format=%cI", "HEAD")
	if err != nil {
		return s, err
	}
	if s.Date, err = time.Parse(time.RFC3339, date); err != nil {
		return s, err
	}
	s.Date = s.Date.UTC()
	if s.Version = version; version == "" {
		s.Version, err = s.git(ctx, "describe", "--tags", "--always", "--match", "v*")
	}
	return s, err
}

// IsChanged reports whether there are uncommitted changes, which no version names.
func (s Source) IsChanged(ctx context.Context) (bool, error) {
	changes, err := s.git(ctx, "status", "--porcelain")
	return changes != "", err
}

func (s Source) git(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir, command.Stderr = s.Root, os.Stderr
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(output)), nil
}

// Platform is what a program is built for.
type Platform struct{ OS, Arch string }

// String is such as "linux/amd64".
func (p Platform) String() string { return p.OS + "/" + p.Arch }

// Released are the platforms for which the plugin is released.
var Released = []Platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}}

// Platforms reads a list such as "linux/amd64,darwin/arm64", of which each must be Released.
func Platforms(list string) ([]Platform, error) {
	var platforms []Platform
	for name := range strings.SplitSeq(list, ",") {
		system, architecture, _ := strings.Cut(name, "/")
		platform := Platform{OS: system, Arch: architecture}
		if !slices.Contains(Released, platform) {
			return nil, fmt.Errorf("nothing is released for %q; the platforms are %v", name, Released)
		}
		platforms = append(platforms, platform)
	}
	return platforms, nil
}

// Programs are the packages of all programs, by their names.
var Programs = map[string]string{
	"manager":        "./controllers/cmd/manager",
	"enforcer":       "./enforcer/cmd/enforcer",
	"console":        "./console/cmd/console",
	"kubectl-budget": "./controllers/cmd/kubectl-budget",
}

// Package is a package of which programs are made, and the module that has it.
type Package struct {
	Dir      string
	Standard bool
	Module   struct{ Path, Version, Dir string }
}

// Packages are the packages of which programs are made on a platform, except Bursar's own.
// Those that come with Go are of the module "std".
func (s Source) Packages(ctx context.Context, platform Platform, programs ...string) ([]Package, error) {
	args := []string{"list", "-deps", "-json=Dir,Standard,Module"}
	for _, program := range programs {
		args = append(args, Programs[program])
	}
	var listed bytes.Buffer
	command := s.goCommand(ctx, platform, args...)
	command.Stdout = &listed
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("list the packages of %s: %w", strings.Join(programs, ", "), err)
	}
	var packages []Package
	for in := json.NewDecoder(&listed); ; {
		var p Package
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			return packages, nil
		} else if err != nil {
			return nil, err
		}
		if p.Standard {
			p.Module.Path, p.Module.Version = "std", strings.TrimPrefix(runtime.Version(), "go")
			p.Dir = rootOfGo(p.Dir) // BoringCrypto, which has a licence of its own, is linked only where an experiment asks for it
			p.Module.Dir = p.Dir
		}
		if p.Module.Path != module {
			packages = append(packages, p)
		}
	}
}

// rootOfGo is the directory of Go, which has its licence, derived from that of one of its packages.
func rootOfGo(directory string) string {
	root, _, _ := strings.Cut(filepath.ToSlash(directory), "/src/")
	return filepath.FromSlash(root)
}

// Imaged are the programs that have images.
var Imaged = []string{"manager", "enforcer", "console"}

// Build compiles a program into a file. The same commit, version and Go make the same bytes,
// on any machine and in any directory.
func (s Source) Build(ctx context.Context, program string, platform Platform, file string) error {
	packaged, found := Programs[program]
	if !found {
		return fmt.Errorf("no program %q", program)
	}
	file, err := filepath.Abs(file) // the build runs in the clone, wherever this does
	if err != nil {
		return err
	}
	const stamped = module + "/api/version"
	ldflags := fmt.Sprintf("-s -w -buildid= -X %[1]s.version=%[2]s -X %[1]s.commit=%[3]s -X %[1]s.date=%[4]s",
		stamped, s.Version, s.Commit, s.Date.Format(time.RFC3339))
	command := s.goCommand(ctx, platform, "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", file, packaged)
	command.Stdout = os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("build %s for %s: %w", program, platform, err)
	}
	return nil
}

// goCommand is the go command for a platform, whatever the environment says.
func (s Source) goCommand(ctx context.Context, platform Platform, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir, command.Stderr = s.Root, os.Stderr
	command.Env = append(os.Environ(),
		"CGO_ENABLED=0", "GOOS="+platform.OS, "GOARCH="+platform.Arch, "GOFLAGS=", "GOWORK=off",
		"GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	return command
}
