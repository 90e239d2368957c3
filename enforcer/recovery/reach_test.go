package recovery

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

func TestTroubleOf(t *testing.T) {
	answered := func(code string) error { return fmt.Errorf("connect: %w", &pgconn.PgError{Code: code}) }
	for name, test := range map[string]struct {
		err  error
		want limiterv1.LedgerTrouble
	}{
		"none":                 {nil, ""},
		"wrong password":       {answered("28P01"), limiterv1.LoginFailed},
		"no such user":         {answered("28000"), limiterv1.LoginFailed},
		"no such database":     {answered("3D000"), limiterv1.LoginFailed},
		"not permitted":        {answered("42501"), limiterv1.RightsMissing},
		"not migrated":         {answered("42P01"), limiterv1.RightsMissing},
		"starting up":          {answered("57P03"), limiterv1.LedgerUnreachable},
		"too many connections": {answered("53300"), limiterv1.LedgerUnreachable},
		"disk full":            {answered("53100"), limiterv1.WritesFailing},
		"a standby":            {answered("25006"), limiterv1.WritesFailing},
		"cannot write a file":  {answered("58030"), limiterv1.WritesFailing},
		"no answer":            {errors.New("dial tcp: connection refused"), limiterv1.LedgerUnreachable},
	} {
		if got := troubleOf(test.err); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// TestReach: a process that Postgres never let in is not ready, and reports trouble at once. If
// it was let in before, it reports an unreachable Postgres only after patience.
func TestReach(t *testing.T) {
	away, rejected, full := errors.New("connection refused"), &pgconn.PgError{Code: "28P01"}, &pgconn.PgError{Code: "53100"}
	begin := time.Unix(1_800_000_000, 0)
	var r reach
	if r.ready() == nil || r.trouble(begin) != "" {
		t.Errorf("before the first attempt: ready %v, trouble %q", r.ready(), r.trouble(begin))
	}
	for _, step := range []struct {
		name    string
		err     error
		after   time.Duration
		ready   bool
		trouble limiterv1.LedgerTrouble
	}{
		{"away at the start", away, 0, false, limiterv1.LedgerUnreachable},
		{"rejected", rejected, time.Second, false, limiterv1.LoginFailed},
		{"let in", nil, 2 * time.Second, true, ""},
		{"away", away, 10 * time.Second, true, ""},
		{"away for long", away, 10*time.Second + patience, true, limiterv1.LedgerUnreachable},
		{"back", nil, time.Minute, true, ""},
		{"away again", away, 2 * time.Minute, true, ""},
		{"back again", nil, 2*time.Minute + time.Second/2, true, ""},
		{"full", full, 2*time.Minute + time.Second/2, true, ""},
		{"full for long", full, 2*time.Minute + time.Second/2 + patience, true, limiterv1.WritesFailing},
		{"and has room", nil, 2*time.Minute + time.Second/2 + patience, true, ""},
		{"rejected later", rejected, 2*time.Minute + time.Second, true, limiterv1.LoginFailed},
	} {
		now := begin.Add(step.after)
		r.note(step.err, now)
		if (r.ready() == nil) != step.ready || r.trouble(now) != step.trouble {
			t.Errorf("%s: ready %v, trouble %q, want ready %t, trouble %q", step.name, r.ready(), r.trouble(now), step.ready, step.trouble)
		}
	}
}

// TestTroubleOfWriting: a Postgres that lets a session in, and does not take its calls, is told
// after patience; that it gives no answer is told before that.
func TestTroubleOfWriting(t *testing.T) {
	var since time.Time
	b := Bypass{writes: func() (time.Time, bool) { return since, !since.IsZero() }}
	b.reach.note(nil, time.Now())
	for _, step := range []struct {
		name string
		ago  time.Duration // 0 where writing does not fail
		err  error
		want limiterv1.LedgerTrouble
	}{
		{"all is well", 0, nil, ""},
		{"for a moment", patience / 2, nil, ""},
		{"for long", 2 * patience, nil, limiterv1.WritesFailing},
		{"for long, and Postgres is away for a moment", 2 * patience, errors.New("connection refused"), ""},
		{"for long, and the login is rejected", 2 * patience, &pgconn.PgError{Code: "28P01"}, limiterv1.LoginFailed},
		{"there is room", 0, nil, ""},
	} {
		if since = (time.Time{}); step.ago > 0 {
			since = time.Now().Add(-step.ago)
		}
		b.reach.note(step.err, time.Now())
		if got := b.Trouble(); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}
