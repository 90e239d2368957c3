package recovery_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/recovery"
)

// told notes what a limiter is told.
type told struct {
	process
	epochs []string
}

func (l *told) SetEpoch(e limiterv1.Epoch) {
	l.epochs = append(l.epochs, fmt.Sprintf("%d %s", e.Number, e.State))
}
func (l *told) ForgetShares()                   { l.epochs = append(l.epochs, "shares are forgotten") }
func (l *told) OpenCalls() []admission.OpenCall { return nil }

// TestWhichEpochCounts: what Redis and Postgres say of epochs, and what the limiter is told.
func TestWhichEpochCounts(t *testing.T) {
	valid := func(number int64) limiterv1.Epoch {
		return limiterv1.Epoch{Number: number, State: limiterv1.EpochValid}
	}
	for name, tc := range map[string]struct {
		say  func(*recovery.Announcer)
		want []string
	}{
		"a Redis that has gone back is not believed": {
			func(a *recovery.Announcer) { a.SetEpoch(valid(8)); a.SetEpoch(valid(7)); a.SetEpoch(rebuilding(7)) },
			[]string{"shares are forgotten", "8 Open", "8 Refused", "8 Refused"},
		},
		"one that has forgotten all admits nothing": {
			func(a *recovery.Announcer) { a.SetEpoch(valid(8)); a.SetEpoch(limiterv1.Epoch{}); a.SetEpoch(valid(1)) },
			[]string{"shares are forgotten", "8 Open", "0 ", "8 Refused"},
		},
		"Postgres says what Redis says": {
			func(a *recovery.Announcer) {
				a.SetEpoch(valid(8))
				a.Hear(8, 8)
				a.SetEpoch(rebuilding(9))
				a.Hear(9, 8)
				a.Hear(9, 9)
			},
			[]string{"shares are forgotten", "8 Open", "9 Rebuilding"},
		},
		"Postgres says that another epoch is rebuilt": {
			func(a *recovery.Announcer) { a.SetEpoch(valid(8)); a.Hear(9, 8); a.Hear(9, 8); a.SetEpoch(valid(8)) },
			[]string{"shares are forgotten", "8 Open", "9 Rebuilding", "shares are forgotten", "9 Refused"},
		},
		"an epoch was opened without this enforcer": {
			func(a *recovery.Announcer) { a.SetEpoch(valid(8)); a.Hear(9, 9); a.SetEpoch(valid(9)) },
			[]string{"shares are forgotten", "8 Open", "shares are forgotten", "9 Refused", "shares are forgotten", "9 Open"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			limiter := &told{}
			a := recovery.NewAnnouncer(recovery.AnnouncerOptions{Limiter: limiter, Calls: limiter, Ledger: limiter, Log: slog.New(slog.DiscardHandler)})
			tc.say(a)
			if !slices.Equal(limiter.epochs, tc.want) {
				t.Errorf("the limiter was told\n%q, want\n%q", limiter.epochs, tc.want)
			}
		})
	}
}
