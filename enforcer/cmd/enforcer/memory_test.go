package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/bursar-dev/bursar/hack/testkit"
)

func TestContainerLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		file, content string
		want          int64
		ok            bool
	}{
		"cgroup v2":            {"memory.max", "536870912\n", 512 << 20, true},
		"cgroup v2, unlimited": {"memory.max", "max\n", 0, false},
		"cgroup v1":            {"memory/memory.limit_in_bytes", "536870912\n", 512 << 20, true},
		"cgroup v1, unlimited": {"memory/memory.limit_in_bytes", "9223372036854771712\n", 0, false},
		"neither":              {"pids.max", "5\n", 0, false},
	} {
		got, ok := containerLimit(fstest.MapFS{tc.file: {Data: []byte(tc.content)}})
		if ok != tc.ok || ok && got != tc.want {
			t.Errorf("%s: got %d, %t", name, got, ok)
		}
	}
}

func TestPercentFor(t *testing.T) {
	const floor = 64 << 20
	for name, tc := range map[string]struct {
		live int64
		want int
	}{
		"before the first collection": {0, 1500},
		"little lives":                {8 << 20, 700},
		"half of the floor lives":     {32 << 20, 100},
		"more lives":                  {400 << 20, 100},
	} {
		if got := percentFor(tc.live, floor); got != tc.want {
			t.Errorf("%s: got %d, want %d", name, got, tc.want)
		}
	}
}

// TestHeapIsLeft: the collector leaves a heap alone that is smaller than its floor, whatever lives,
// and does as GOGC says where that is set.
func TestHeapIsLeft(t *testing.T) {
	const floor = 1 << 30
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })

	t.Setenv("GOGC", "100")
	leaveHeap(floor)
	if got := gcPercent(); got != 100 {
		t.Errorf("GOGC is 100, and the collector keeps to %d", got)
	}
	t.Setenv("GOGC", "")
	leaveHeap(floor)
	for _, live := range []int{128 << 20, 1 << 20} {
		kept = make([]byte, live)
		runtime.GC()
		testkit.Eventually(t, "the percentage is that of what lives", func() bool {
			return (gcPercent() < 1000) == (live > 100<<20)
		})
		begun := collections()
		for range floor / 4 >> 20 {
			garbage = make([]byte, 1<<20)
		}
		if n := collections() - begun; n > 0 {
			t.Errorf("with %d bytes alive: %d collections for a quarter of the floor", live, n)
		}
	}
	kept, garbage = nil, nil
}

var kept, garbage []byte

func gcPercent() uint64 { return readMetric("/gc/gogc:percent") }

func collections() uint64 { return readMetric("/gc/cycles/total:gc-cycles") }

func readMetric(name string) uint64 {
	sample := []metrics.Sample{{Name: name}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// resident is how much memory the child has ever had, in bytes.
func (c *child) resident() int64 {
	c.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	testkit.Must(c.t, err)
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	testkit.Must(c.t, err)
	return kilobytes << 10
}

// sendHead begins a call with a body of so many bytes.
func (c *child) sendHead(key string, length int) net.Conn {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.address)
	testkit.Must(c.t, err)
	c.t.Cleanup(func() { _ = conn.Close() })
	testkit.Must(c.t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: bursar\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\n\r\n", key, length)
	testkit.Must(c.t, err)
	return conn
}

// builtEnforcer is the path of an enforcer without the race detector, which would take several
// times the memory.
func builtEnforcer(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "enforcer")
	build := exec.Command("go", "build", "-trimpath", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the enforcer: %v\n%s", err, output)
	}
	return path
}

// TestMemoryOfHostileBodies: whatever bodies a key sends, finished or not, an enforcer stays
// within the 512 MiB of its pod, and serves others.
func TestMemoryOfHostileBodies(t *testing.T) {
	const (
		size = 31 << 20
		pod  = 512 << 20
	)
	t.Setenv("GOMEMLIMIT", strconv.Itoa(pod/10*9))
	w := newWorld(t)
	w.configure()
	c := w.spawnProgram(builtEnforcer(t))
	members := strings.Repeat(`"a":1,`, size/6)
	for name, body := range map[string]string{
		"text":     `{"model":"gpt-4o","messages":[{"role":"user","content":"` + strings.Repeat("a", size-200) + `"}]}`,
		"members":  `{"model":"gpt-4o","messages":[],` + members[:size-200] + `}`,
		"too long": strings.Repeat(" ", 40<<20),
	} {
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() { do(c.client, c.request(body)) })
		}
		all.Wait()
		if most := c.resident(); most > pod*3/4 {
			t.Errorf("after sixteen bodies of %s: %d MiB", name, most>>20)
		}
	}

	statuses := map[int]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 16 {
		conn := c.sendHead("key-of-gerente-1", size)
		all.Go(func() {
			_, _ = io.CopyN(conn, strings.NewReader(members), size-1<<20) // fails where the body is refused
			if response, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
				_ = response.Body.Close()
				mu.Lock()
				defer mu.Unlock()
				statuses[response.StatusCode]++
			}
		})
	}
	testkit.Eventually(t, "all but one are refused", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return statuses[http.StatusTooManyRequests] >= 10
	})
	if got := do(c.client, request(t, c.address, "empleado-1", chat("gpt-4o-mini", "[[output=1]]"))); got.status != http.StatusOK {
		t.Errorf("another key gets %d %s", got.status, got.body)
	}
	if most := c.resident(); most > pod*3/4 {
		t.Errorf("with sixteen unfinished bodies: %d MiB", most>>20)
	}
	mu.Lock() // those that are not refused go on
	t.Logf("at most %d MiB; refused: %v", c.resident()>>20, statuses)
	mu.Unlock()

	begin := time.Now()
	refused := c.sendHead("guess", size) // which is told so, and sends nothing
	time.Sleep(100 * time.Millisecond)
	c.terminate()
	c.end()
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("the enforcer ended after %s", took)
	}
	_ = refused.Close()
	all.Wait()
}
