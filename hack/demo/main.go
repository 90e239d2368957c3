// Command demo shows Bursar at work, on real parts: from YAML to an admitted call,
// a rate limit that refuses, a warning, a breaker that opens, and its recovery. It
// exits non-zero if anything is not as it says.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/bursar-dev/bursar/hack/stack"
)

func main() {
	dir := flag.String("dir", stack.DefaultDir(), "directory for logs, data and the kubeconfig")
	timeout := flag.Duration("timeout", 10*time.Minute, "give up after this long")
	flag.Parse()

	if err := demonstrate(*dir, *timeout); err != nil {
		fmt.Fprintf(os.Stderr, "\nFAILED: %v\n", err)
		os.Exit(1)
	}
}

func demonstrate(dir string, timeout time.Duration) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	interrupted := ctx
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	fmt.Println("Starting Bursar with real servers; logs are in", dir)
	s, err := stack.Start(ctx, stack.Options{Dir: dir, Enforcers: 2, Progress: os.Stdout})
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := s.Stop(); err == nil {
			err = stopErr
		}
	}()
	if err := s.StartSignIn(); err != nil {
		return err
	}
	d := &demo{stack: s, namespace: stack.SampleNamespace}
	for _, step := range []struct {
		title string
		run   func(context.Context) error
	}{
		{"A platform team applies its YAML", d.applySamples},
		{"The webhook rejects objects that conflict with existing ones", d.secondBudgetIsRefused},
		{"An empleado may make 5 requests a minute", d.empleadoIsRateLimited},
		{"A gerente signs in, and is counted as who he is", d.gerenteSignsIn},
		{"A gerente may make 20 requests a minute", d.gerenteIsRateLimited},
		{"A corporativo spends until the breaker opens", d.spendUntilBreakerOpens},
		{"kubectl shows it", d.kubectlShowsOpenBreaker},
		{"The limit is raised, and the breaker closes by itself", d.raiseTheLimit},
		{"Spend by user, and the provider's own bill beside it", d.compareBill},
		{"A corporativo signs in to the console, and sees it there", d.corporativoLooks},
	} {
		fmt.Printf("\n== %s\n\n", step.title)
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.title, err)
		}
	}
	fmt.Println("\nAll checks passed.")
	d.stay(interrupted)
	return nil
}
