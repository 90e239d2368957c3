package retry_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bursar-dev/bursar/enforcer/retry"
)

var errAway = errors.New("away")

func TestUntilItSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pauses []time.Duration
		begin, tries := time.Now(), 0
		err := retry.Until(t.Context(), func(context.Context) error {
			if tries++; tries < 12 {
				return errAway
			}
			return nil
		}, func(err error, pause time.Duration) {
			if !errors.Is(err, errAway) {
				t.Errorf("told of %v", err)
			}
			pauses = append(pauses, pause)
		})
		const ms = time.Millisecond
		want := []time.Duration{50 * ms, 100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms, 5000 * ms, 5000 * ms}
		if err != nil || !slices.Equal(pauses, want) {
			t.Errorf("got %v after pauses of %v, want %v", err, pauses, want)
		}
		var all time.Duration
		for _, pause := range want {
			all += pause
		}
		if took := time.Since(begin); took != all {
			t.Errorf("took %s, want %s", took, all)
		}
	})
}

func TestUntilContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
		defer cancel()
		tries := 0
		err := retry.Until(ctx, func(context.Context) error {
			tries++
			return errAway
		}, func(error, time.Duration) {})
		if !errors.Is(err, errAway) || tries != 2 {
			t.Errorf("got %v after %d tries, want the last error after 2", err, tries)
		}
	})
}

func TestAttemptsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		err := retry.Until(t.Context(), func(ctx context.Context) error {
			if tries++; tries == 2 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}, func(error, time.Duration) {})
		if err != nil || tries != 2 {
			t.Errorf("got %v after %d tries", err, tries)
		}
	})
}
