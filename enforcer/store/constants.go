package store

import (
	"regexp"
	"strings"
)

var (
	// constant is a line of a script that names a value: a local in capitals.
	constant = regexp.MustCompile(`^local ([A-Z_]+) = (.*?)( *--.*)?\n$`)
	capitals = regexp.MustCompile(`\b[A-Z_]+\b`)
)

// withConstants is a script with the values of its constants in the place of their names. A local
// costs time at every run of the script: each run creates all of its functions anew, and captures the
// locals that each of them uses.
func withConstants(script string) string {
	values := map[string]string{}
	valueOf := func(name string) string {
		if value, ok := values[name]; ok {
			return value
		}
		return name
	}
	var text strings.Builder
	for line := range strings.Lines(script) {
		line = capitals.ReplaceAllStringFunc(line, valueOf)
		if found := constant.FindStringSubmatch(line); found != nil {
			values[found[1]] = "(" + found[2] + ")"
			line = "\n" // so that errors name the lines as they are in the files
		}
		text.WriteString(line)
	}
	return text.String()
}
