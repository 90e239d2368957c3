package rollup

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// pending are sums of which so much is still to be made. It keeps the steps that are taken: a
// quarter, changes, a day of the past.
type pending struct {
	quarters, changes, days int
	// newer are the changes that a day of the past leaves, as somebody writes meanwhile.
	newer int
	zones map[string]string
	fails string
	steps []string
}

func (p *pending) step(name string) error {
	p.steps = append(p.steps, name)
	if name == p.fails {
		return errors.New("Postgres is away")
	}
	return nil
}

func (p *pending) UnknownZones(ctx context.Context) (map[string]string, error) {
	if p.fails == "zones" {
		return nil, errors.New("Postgres is away")
	}
	return p.zones, ctx.Err()
}

func (p *pending) AddQuarter(context.Context) (time.Time, bool, error) {
	p.quarters--
	return time.Unix(int64(p.quarters), 0), p.quarters >= 0, p.step("quarter")
}

func (p *pending) AddChanges(_ context.Context, most int) (int, error) {
	added := min(p.changes, most)
	p.changes -= added
	return added, p.step("changes")
}

func (p *pending) AddPast(context.Context) (time.Time, bool, error) {
	p.days, p.changes = p.days-1, p.changes+p.newer
	return time.Time{}, p.days >= 0, p.step("past")
}

// TestRoll: what there is of the present goes before each day of the past, and all of it is
// rolled up; what fails ends it, for the next attempt.
func TestRoll(t *testing.T) {
	for name, tc := range map[string]struct {
		pending
		want  string
		fails bool
	}{
		"nothing":               {want: "quarter changes past"},
		"quarters":              {pending: pending{quarters: 2}, want: "quarter quarter quarter changes past"},
		"more changes than fit": {pending: pending{changes: 2*atOnce + 1}, want: "quarter changes changes changes past"},
		"as many as fit":        {pending: pending{changes: atOnce}, want: "quarter changes changes past"},
		"the past": {
			pending: pending{days: 2, newer: atOnce},
			want:    "quarter changes past quarter changes changes past quarter changes changes past",
		},
		"no zones":    {pending: pending{days: 1, fails: "zones"}, fails: true},
		"no quarters": {pending: pending{days: 1, fails: "quarter"}, want: "quarter", fails: true},
		"no changes":  {pending: pending{days: 1, fails: "changes"}, want: "quarter changes", fails: true},
		"no past":     {pending: pending{days: 1, fails: "past"}, want: "quarter changes past", fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			sums := tc.pending
			if err := New(&sums).Roll(t.Context()); (err != nil) != tc.fails {
				t.Errorf("error %v, want one: %t", err, tc.fails)
			}
			if got := strings.Join(sums.steps, " "); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// TestRollEnds: where the manager ends, or leads no more, no further step is begun.
func TestRollEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	sums := pending{quarters: 2, days: 2}
	if err := New(&sums).Roll(ctx); !errors.Is(err, context.Canceled) || !slices.Equal(sums.steps, nil) {
		t.Errorf("error %v after %q", err, sums.steps)
	}
}

// TestUnknownZones: the log names, whenever that changes, each tenant whose time zone Postgres does not
// know, and what is rolled up is the same.
func TestUnknownZones(t *testing.T) {
	var lines []string
	ctx := log.IntoContext(t.Context(), funcr.New(func(_, line string) { lines = append(lines, line) }, funcr.Options{}))
	sums := pending{}
	roller := New(&sums)
	for _, zones := range []map[string]string{nil, {"acme": "Europe/Kiev"}, {"acme": "Europe/Kiev"}, {"globex": "Asia/Saigon"}, nil, {"globex": "Asia/Saigon"}} {
		sums.zones = zones
		if err := roller.Roll(ctx); err != nil {
			t.Fatal(err)
		}
		if got := testutil.ToFloat64(unknownZones); got != float64(len(zones)) {
			t.Errorf("the metric says %v, want %d", got, len(zones))
		}
	}
	var named []string
	for _, line := range lines {
		_, zones, _ := strings.Cut(line, `"timeZones"=`)
		named = append(named, zones)
	}
	if got, want := strings.Join(named, " "), `{"acme"="Europe/Kiev"} {"globex"="Asia/Saigon"} {"globex"="Asia/Saigon"}`; got != want {
		t.Errorf("the log names %s, want %s", got, want)
	}
	if got := strings.Join(sums.steps, " "); got != strings.TrimSpace(strings.Repeat("quarter changes past ", 6)) {
		t.Errorf("the steps were %s", got)
	}
}
