package stack

import (
	"context"
	"fmt"
	"os"
	"time"
)

// startWithin is how long a stack may take to start.
const startWithin = 5 * time.Minute

// Use calls run, such as a package's tests, with a stack of its own, and returns the exit
// code that run returns. If the stack does not start or stop, the code is not 0. The stack's
// files are removed, unless the code is not 0: then the logs are needed, and stderr says
// where they are. Use sets Dir and Progress of the options; progress goes to stderr.
func Use(opts Options, run func(ctx context.Context, s *Stack) int) (code int) {
	dir, err := os.MkdirTemp("", "bursar-stack-")
	if err != nil {
		return failed(err)
	}
	defer func() {
		if code == 0 {
			_ = os.RemoveAll(dir)
		} else {
			fmt.Fprintln(os.Stderr, "logs are in", dir)
		}
	}()
	// Postgres runs as another user, who must be able to enter.
	if err := os.Chmod(dir, 0o755); err != nil {
		return failed(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), startWithin)
	defer cancel()
	opts.Dir, opts.Progress = dir, os.Stderr
	s, err := Start(ctx, opts)
	if err != nil {
		return failed(err)
	}
	defer func() {
		if err := s.Stop(); err != nil {
			code = failed(err)
		}
	}()
	return run(ctx, s)
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}
