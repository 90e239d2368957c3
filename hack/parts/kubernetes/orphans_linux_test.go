package kubernetes_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestServersDieWithTheirParent kills a parent that had no chance to stop its
// API server and etcd.
func TestServersDieWithTheirParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), asParent+"="+dir)
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	before := commandsNaming(t, dir)
	_ = parent.Process.Kill()
	_ = parent.Wait()
	if err != nil || line != "started\n" {
		t.Fatalf("the parent said %q (%v), want started", line, err)
	}
	if want := 2; len(before) != want {
		t.Fatalf("%d servers ran in %s, want %d: %q", len(before), dir, want, before)
	}
	testkit.EventuallySucceeds(t, "all servers have ended", func() error {
		if left := commandsNaming(t, dir); len(left) > 0 {
			return fmt.Errorf("still running: %q", left)
		}
		return nil
	})
}

// commandsNaming are the command lines of running processes that name dir.
func commandsNaming(t *testing.T, dir string) (commands []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("no processes in /proc (%v)", err)
	}
	for _, file := range files {
		command, _ := os.ReadFile(file) // Fails when the process has just ended.
		if strings.Contains(string(command), dir) {
			commands = append(commands, strings.ReplaceAll(string(command), "\x00", " "))
		}
	}
	return commands
}
