package process_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// asParent makes this test binary a parent that starts a child, says its pid and
// waits to be killed.
const asParent = "BURSAR_TEST_AS_PARENT_WITH_LOG"

func TestMain(m *testing.M) {
	if log := os.Getenv(asParent); log != "" {
		child, err := process.Start(process.Options{Path: "sleep", Args: []string{"1000"}, LogFile: log})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(child.PID())
		select {}
	}
	os.Exit(m.Run())
}

func start(t *testing.T, script string, change func(*process.Options)) *process.Process {
	t.Helper()
	opts := process.Options{Name: "script", Path: "sh", Args: []string{"-c", script}, LogFile: filepath.Join(t.TempDir(), "log")}
	if change != nil {
		change(&opts)
	}
	p, err := process.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	return p
}

// waitForLog waits until the child's log contains the text.
func waitForLog(t *testing.T, p *process.Process, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := p.WaitReady(ctx, func(context.Context) error {
		if log := p.LogTail(100); !strings.Contains(log, text) {
			return fmt.Errorf("no %q in %q", text, log)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestStopAsksFirst(t *testing.T) {
	p := start(t, `trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done`, nil)
	waitForLog(t, p, "ready")
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if got, want := p.LogTail(1), "bye"; got != want {
		t.Errorf("last line of the log is %q, want %q", got, want)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("stopping again: %v", err)
	}
}

func TestStopKillsTheGroupOfTheDeaf(t *testing.T) {
	p := start(t, `trap '' TERM; sleep 1000 & echo child $!; wait; wait`, func(o *process.Options) {
		o.StopTimeout = 50 * time.Millisecond
	})
	waitForLog(t, p, "child")
	grandchild, err := strconv.Atoi(strings.TrimPrefix(p.LogTail(1), "child "))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); !errors.Is(err, process.ErrKilled) {
		t.Errorf("Stop returned %v, want an error that says that it was killed", err)
	}
	waitGone(t, grandchild)
}

func TestWaitReadyTellsWhyTheChildEnded(t *testing.T) {
	p := start(t, `echo "cannot bind"; exit 3`, nil)
	err := p.WaitReady(t.Context(), func(context.Context) error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "exit status 3") || !strings.Contains(err.Error(), "cannot bind") {
		t.Errorf("WaitReady returned %v, want the exit status and the log", err)
	}
}

func TestRun(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	if err := process.Run(t.Context(), process.Options{Path: "true", LogFile: log}); err != nil {
		t.Errorf("true: %v", err)
	}
	err := process.Run(t.Context(), process.Options{Path: "ls", Args: []string{"/no/such/dir"}, LogFile: log})
	if err == nil || !strings.Contains(err.Error(), "/no/such/dir") {
		t.Errorf("ls: %v, want an error with what it printed", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err = process.Run(ctx, process.Options{Path: "sleep", Args: []string{"1000"}, LogFile: log})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("sleep: %v, want %v", err, context.DeadlineExceeded)
	}
}

// TestChildDiesWithItsParent kills a parent that had no chance to stop its child.
func TestChildDiesWithItsParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), asParent+"="+filepath.Join(t.TempDir(), "log"))
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, readErr := bufio.NewReader(out).ReadString('\n')
	_ = parent.Process.Kill()
	_ = parent.Wait()
	if readErr != nil {
		t.Fatal(readErr)
	}
	child, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the parent said %q, want a pid", line)
	}
	waitGone(t, child)
}

func TestUser(t *testing.T) {
	if os.Geteuid() != 0 {
		_, err := process.Start(process.Options{Path: "true", LogFile: filepath.Join(t.TempDir(), "log"), User: &process.User{UID: 1, GID: 1}})
		if !errors.Is(err, syscall.EPERM) {
			t.Errorf("an ordinary user became another: %v", err)
		}
		return
	}
	p := start(t, `id -u; id -g; id -G`, func(o *process.Options) { o.User = &process.User{UID: 65534, GID: 65533} })
	<-p.Done()
	if got, want := p.LogTail(3), "65534\n65533\n65533"; got != want {
		t.Errorf("id said %q, want %q", got, want)
	}
}

func TestFreePort(t *testing.T) {
	seen := map[int]bool{}
	for range 100 {
		port, err := process.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		if seen[port] {
			t.Fatalf("port %d came twice", port)
		}
		seen[port] = true
	}
	for port := range seen {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			t.Errorf("port %d is not free: %v", port, err)
			continue
		}
		_ = listener.Close()
	}
}

// waitGone waits until no process has the pid, other than as a zombie that its
// new parent has not reaped yet.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	testkit.EventuallySucceeds(t, fmt.Sprintf("process %d has ended", pid), func() error {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) || strings.Contains(string(stat), ") Z ") {
			return nil
		}
		if err != nil {
			return err
		}
		return fmt.Errorf("it runs: %s", stat)
	})
}

func TestFamilyMemoryCountsChildren(t *testing.T) {
	// tail keeps all of it until it ends.
	p := start(t, "(head -c 20000000 /dev/zero; sleep 60) | tail -c 20000000 >/dev/null", nil)
	testkit.Eventually(t, "a child's memory is counted", func() bool {
		memory, err := process.FamilyMemory(p.PID())
		return err == nil && memory > 15
	})
}

func TestFamilyMemoryOfNobody(t *testing.T) {
	if memory, err := process.FamilyMemory(1 << 30); err == nil {
		t.Errorf("a process that is not there has %.0f MB", memory)
	}
}
