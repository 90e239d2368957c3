// Command tour writes docs/tour.md: it runs all of Bursar on real parts, makes calls, and
// runs each command of kubectl budget. The page shows what they printed.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/bursar-dev/bursar/hack/stack"
)

func main() {
	dir := flag.String("dir", stack.DefaultDir(), "directory for logs, data and the kubeconfig")
	page := flag.String("page", filepath.Join("docs", "tour.md"), "the page to write")
	timeout := flag.Duration("timeout", 10*time.Minute, "give up after this long")
	flag.Parse()

	if err := run(*dir, *page, *timeout); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(dir, page string, timeout time.Duration) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	s, err := stack.Start(ctx, stack.Options{Dir: dir, Enforcers: 2, Progress: os.Stdout})
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := s.Stop(); err == nil {
			err = stopErr
		}
	}()
	if _, err := s.ApplySamples(ctx); err != nil {
		return err
	}
	t, err := newTour(s, dir)
	if err != nil {
		return err
	}
	if err := t.walk(ctx); err != nil {
		return err
	}
	if err := os.WriteFile(page, append(bytes.TrimSpace(t.page.Bytes()), '\n'), 0o644); err != nil {
		return err
	}
	fmt.Println("wrote", page)
	return nil
}
