// Package source says which commit is built, and compiles programs of it.
package source

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// module is that of the product.
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

// At is the source in a directory. Without a version it is that of the nearest tag that
// begins with v, or else the commit's.
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

// IsChanged is whether there are changes beside the commit, which no version names.
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

// Programs are the packages of all programs, by their names.
var Programs = map[string]string{
	"manager":        "./controllers/cmd/manager",
	"enforcer":       "./enforcer/cmd/enforcer",
	"console":        "./console/cmd/console",
	"kubectl-budget": "./controllers/cmd/kubectl-budget",
}

// Build compiles a program into a file. The same commit, version and Go make the same bytes,
// on any machine and in any directory.
func (s Source) Build(ctx context.Context, program string, platform Platform, file string) error {
	packaged, found := Programs[program]
	if !found {
		return fmt.Errorf("no program %q", program)
	}
	const stamped = module + "/api/version"
	ldflags := fmt.Sprintf("-s -w -buildid= -X %[1]s.version=%[2]s -X %[1]s.commit=%[3]s -X %[1]s.date=%[4]s",
		stamped, s.Version, s.Commit, s.Date.Format(time.RFC3339))
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", ldflags, "-o", file, packaged)
	command.Dir, command.Stdout, command.Stderr = s.Root, os.Stderr, os.Stderr
	command.Env = append(os.Environ(),
		"CGO_ENABLED=0", "GOOS="+platform.OS, "GOARCH="+platform.Arch, "GOFLAGS=", "GOWORK=off",
		"GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=")
	if err := command.Run(); err != nil {
		return fmt.Errorf("build %s for %s: %w", program, platform, err)
	}
	return nil
}
