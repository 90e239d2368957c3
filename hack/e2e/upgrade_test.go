package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/bursar-dev/bursar/hack/stack"
)

// previousVariable names the directory with the programs of the version before; the stack then
// begins with them.
const previousVariable = "BURSAR_PREVIOUS"

// TestUpgrade: managers and enforcers of this version and of the previous one work together, are
// upgraded in both orders, and are taken back, under calls. No call fails, each is counted once, and
// no limit is exceeded. Only the schema, which a manager of this version has migrated, is not taken
// back.
func TestUpgrade(t *testing.T) {
	if os.Getenv(previousVariable) == "" {
		t.Skip("no programs of the version before: `make upgrade` builds them")
	}
	u := &upgrade{before: bursar.Programs, now: bursar.Built(), managers: bursar.Managers, enforcers: bursar.Enforcers}
	newTenant(t, "upgraded", "1000.00")
	from := u.schema(t)
	u.call(t, 4)

	bursar.Programs = u.now
	u.replaceEnforcers(t, "enforcers first, before the ledger is migrated")
	u.replaceManager(t, "then managers")
	eventually(t, "the ledger is migrated", func() bool { return u.schema(t) == newest(t) })
	bursar.Programs = u.before
	u.replaceManager(t, "back: managers first")
	u.replaceEnforcers(t, "then enforcers")
	bursar.Programs = u.now
	u.replaceManager(t, "again: managers first")
	u.replaceEnforcers(t, "and enforcers last")

	u.end()
	t.Logf("the schema went from version %d to %d, and stayed there", from, u.schema(t))
	answered := u.answered.Load()
	eventually(t, "the ledger has all", func() bool { calls, _ := ledger(t, "upgraded"); return int64(calls) >= answered })
	calls, cost := ledger(t, "upgraded")
	if int64(calls) != answered || cost != answered*10_000_000 || u.failed.Load() != 0 {
		t.Errorf("%d calls were answered and %d failed; the ledger has %d, for %d nano-USD", answered, u.failed.Load(), calls, cost)
	}
	spent := fmt.Sprintf("%d.%02d 0.00 True", answered/100, answered%100)
	eventually(t, "the status says what was spent: "+spent, func() bool { return statusOf(t, "upgraded") == spent })
	t.Logf("%d calls through six changes of version: %d failed, %d lost, %d double", answered, u.failed.Load(), max(answered-int64(calls), 0), max(int64(calls)-answered, 0))
}

// upgrade is a Bursar whose programs are replaced under calls.
type upgrade struct {
	before, now string
	managers    []*stack.Manager
	changes     int

	mu        sync.Mutex
	enforcers []stack.Enforcer

	stop             chan struct{}
	callers          sync.WaitGroup
	answered, failed atomic.Int64
}

// schema is the version of the ledger's schema.
func (u *upgrade) schema(t *testing.T) (version int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	if err := conn.QueryRow(t.Context(), "SELECT max(version_id) FROM bursar_schema_versions").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// newest is the version of the newest migration of today.
func newest(t *testing.T) (version int64) {
	t.Helper()
	files, err := filepath.Glob("../../controllers/stores/budgetstore/migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("no migrations: %v", err)
	}
	name, _, _ := strings.Cut(filepath.Base(slices.Max(files)), "_")
	if version, err = strconv.ParseInt(name, 10, 64); err != nil {
		t.Fatal(err)
	}
	return version
}

// call calls through whichever enforcers serve, as a Service does, until the end.
func (u *upgrade) call(t *testing.T, callers int) {
	u.stop = make(chan struct{})
	for i := range callers {
		u.callers.Go(func() {
			for n := i; ; n++ {
				select {
				case <-u.stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				u.one(t, n)
			}
		})
	}
	t.Cleanup(u.end)
}

func (u *upgrade) end() {
	select {
	case <-u.stop:
	default:
		close(u.stop)
	}
	u.callers.Wait()
}

func (u *upgrade) one(t *testing.T, n int) {
	u.mu.Lock()
	url := u.enforcers[n%len(u.enforcers)].URL
	u.mu.Unlock()
	response, err := chat(t.Context(), url, "upgraded", map[string]any{"model": "penny", "messages": prompt("[[output=1]]")})
	if err != nil {
		u.failed.Add(1)
		t.Errorf("a call failed: %v", err)
		return
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	if response.StatusCode != http.StatusOK {
		u.failed.Add(1)
		t.Errorf("a call was answered %s", response.Status)
		return
	}
	u.answered.Add(1)
}

// replaceManager has managers of the stack's programs in the place of those that run.
func (u *upgrade) replaceManager(t *testing.T, step string) {
	t.Helper()
	u.changes++
	next, err := bursar.StartManager(t.Context(), fmt.Sprintf("manager-upgrade-%d", u.changes))
	if err != nil {
		t.Fatalf("%s: %v", step, err)
	}
	u.works(t, step+", two side by side")
	for _, manager := range u.managers {
		if err := manager.Stop(); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
	u.managers = []*stack.Manager{next}
	u.works(t, step)
}

// replaceEnforcers has enforcers of the stack's programs in the place of those that run, one
// after another.
func (u *upgrade) replaceEnforcers(t *testing.T, step string) {
	t.Helper()
	u.changes++
	for i := range u.enforcers {
		next, err := bursar.StartEnforcer(t.Context(), fmt.Sprintf("enforcer-upgrade-%d-%d", u.changes, i))
		if err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		u.mu.Lock()
		old := u.enforcers[i]
		u.enforcers[i] = next
		u.mu.Unlock()
		if i == 0 {
			u.works(t, step+", one of each")
		}
		if err := old.Stop(); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
	}
	u.works(t, step)
}

// works checks that a new configuration is programmed, that no limit is exceeded, whichever
// enforcers admit calls, and that calls are served.
func (u *upgrade) works(t *testing.T, step string) {
	t.Helper()
	u.changes++
	tenant := fmt.Sprintf("exact-%d", u.changes)
	newTenant(t, tenant, "0.20")
	var admitted atomic.Int64
	var calls errgroup.Group
	for n := range 40 {
		calls.Go(func() error {
			u.mu.Lock()
			url := u.enforcers[n%len(u.enforcers)].URL
			u.mu.Unlock()
			response, err := chat(t.Context(), url, tenant, map[string]any{"model": "penny", "messages": prompt("[[output=1]]")})
			if err != nil {
				return err
			}
			_ = response.Body.Close()
			if response.StatusCode == http.StatusOK {
				admitted.Add(1)
			}
			return nil
		})
	}
	if err := calls.Wait(); err != nil || admitted.Load() != 20 {
		t.Errorf("%s: %d calls of a cent were admitted where 20 fit (%v)", step, admitted.Load(), err)
	}
	before := u.answered.Load()
	eventually(t, step+": calls go on", func() bool { return u.answered.Load() >= before+20 })
	t.Logf("%s: works (schema %d, %d calls so far)", step, u.schema(t), u.answered.Load())
}
