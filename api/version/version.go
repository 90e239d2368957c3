// Package version says which version of Bursar a program is, and which commit it was built
// from.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// What a release is stamped with, by the linker's flag -X: its version, such as "v0.1.0",
// the whole hash of its commit, and the time of that commit in RFC 3339's form. All are
// empty in what `go build` makes by itself.
var version, commit, date string

// Info is what a program was built from.
type Info struct {
	// Version is that of the release or of the module; "devel" if it is neither.
	Version string
	// Commit is the hash of the commit, and Date its time in RFC 3339's form; "unknown" if
	// the build was not told.
	Commit, Date string
	// Modified is whether there were uncommitted changes.
	Modified bool
}

// Get is what this program was built from.
func Get() Info {
	info := Info{Version: version, Commit: commit, Date: date}
	if build, ok := debug.ReadBuildInfo(); ok {
		info.take(build)
	}
	for field, missing := range map[*string]string{&info.Version: "devel", &info.Commit: "unknown", &info.Date: "unknown"} {
		if *field == "" {
			*field = missing
		}
	}
	return info
}

// take fills in, from what the go command has noted, what was not stamped.
func (i *Info) take(build *debug.BuildInfo) {
	if v := build.Main.Version; i.Version == "" && v != "(devel)" {
		i.Version = v
	}
	if i.Commit != "" {
		return
	}
	for _, setting := range build.Settings {
		switch setting.Key {
		case "vcs.revision":
			i.Commit = setting.Value
		case "vcs.time":
			i.Date = setting.Value
		case "vcs.modified":
			i.Modified = setting.Value == "true"
		}
	}
}

// Line is what `PROGRAM --version` prints: the program, its version, the commit and its
// time, and what it was built with and for.
func Line(program string) string {
	info := Get()
	modified := ""
	if info.Modified {
		modified = ", with uncommitted changes"
	}
	return fmt.Sprintf("%s %s (commit %s of %s%s; %s, %s/%s)",
		program, info.Version, info.Commit, info.Date, modified, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
