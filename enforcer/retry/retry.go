package retry

import (
	"context"
	"time"
)

const (
	// attemptTimeout bounds one attempt.
	attemptTimeout = 30 * time.Second
	// The pause after a failure doubles from first to longest.
	firstPause, longestPause = 50 * time.Millisecond, 5 * time.Second
)

// Until retries something until it succeeds or ctx ends, and then returns the last error.
// It calls failed after every failure, with the pause that follows.
func Until(ctx context.Context, do func(context.Context) error, failed func(err error, pause time.Duration)) error {
	return UntilWithin(ctx, longestPause, do, failed)
}

// UntilWithin is Until for what must not be late: no pause is longer than longest.
func UntilWithin(
	ctx context.Context, longest time.Duration, do func(context.Context) error, failed func(err error, pause time.Duration),
) error {
	return until(ctx, longest, func(ctx context.Context) error { return attempt(ctx, do) }, failed)
}

// UntilBounded is Until for what bounds each of its attempts by itself.
func UntilBounded(ctx context.Context, do func(context.Context) error, failed func(err error, pause time.Duration)) error {
	return until(ctx, longestPause, do, failed)
}

func until(
	ctx context.Context, longest time.Duration, do func(context.Context) error, failed func(err error, pause time.Duration),
) error {
	for pause := firstPause; ; pause = min(2*pause, longest) {
		err := do(ctx)
		if err == nil || ctx.Err() != nil {
			return err
		}
		failed(err, pause)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func attempt(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	return do(ctx)
}
