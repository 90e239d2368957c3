package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// programs are those whose --help has all of their flags and environment variables.
var programs = []struct{ name, does string }{
	{"manager", "The control plane."},
	{"enforcer", "The data plane, through which calls go."},
	{"console", "The pages and the API of usage, budgets and alerts."},
}

// writeFlags writes the page of all flags and environment variables, from --help of the
// programs in a directory.
func writeFlags(bin string) error {
	var page strings.Builder
	page.WriteString("# Flags and environment variables\n\nWhat `--help` of each program says. Standard variables of " +
		"[OpenTelemetry](../operate.md#traces) and of Go (`GOMEMLIMIT`, `GODEBUG`, `HTTPS_PROXY`) take effect, too.\n")
	for _, program := range programs {
		help, err := helpOf(filepath.Join(bin, program.name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&page, "\n## %s\n\n%s\n\n```\n%s\n```\n", program.name, program.does, help)
	}
	page.WriteString("\n## kubectl budget\n\n")
	if err := writeCommand(&page, bin); err != nil {
		return err
	}
	return writePage("flags.md", page.String())
}

// writeCommand writes the help of the plugin's command, and of those below it.
func writeCommand(page *strings.Builder, bin string, command ...string) error {
	help, err := helpOf(filepath.Join(bin, "kubectl-budget"), command...)
	if err != nil {
		return err
	}
	if len(command) > 0 {
		fmt.Fprintf(page, "\n### kubectl budget %s\n\n", strings.Join(command, " "))
		help, _, _ = strings.Cut(help, "\n\nGlobal Flags:") // which stand with the first
	}
	fmt.Fprintf(page, "```\n%s\n```\n", strings.TrimSpace(help))
	for _, name := range commandsOf(help) {
		if err := writeCommand(page, bin, append(append([]string{}, command...), name)...); err != nil {
			return err
		}
	}
	return nil
}

var commandLine = regexp.MustCompile(`^  ([a-z-]+) `)

// commandsOf are the commands that a help lists, except cobra's own.
func commandsOf(help string) (names []string) {
	_, listed, _ := strings.Cut(help, "Available Commands:\n")
	for line := range strings.Lines(listed) {
		found := commandLine.FindStringSubmatch(line)
		if found == nil {
			break
		}
		if found[1] != "help" && found[1] != "completion" {
			names = append(names, found[1])
		}
	}
	return names
}

func helpOf(program string, args ...string) (string, error) {
	command := exec.Command(program, append(args, "--help")...)
	command.Env = append(os.Environ(), "HOME=/home/you") // which a default names
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s --help (run make build): %w", program, err)
	}
	return strings.TrimSpace(strings.ReplaceAll(string(out), "\t", "    ")), nil
}
