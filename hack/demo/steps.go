package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/hack/stack"
)

// demo is a running stack and what was done to it.
type demo struct {
	stack     *stack.Stack
	namespace string
	calls     int
}

// noticed is how long the control plane may take to show what happened.
const noticed = 5 * time.Second

func (d *demo) kubectl(ctx context.Context, args ...string) (string, error) {
	return d.stack.RunKubectl(ctx, append([]string{"-n", d.namespace}, args...)...)
}

// show runs kubectl and prints the command and its output.
func (d *demo) show(ctx context.Context, args ...string) error {
	out, err := d.kubectl(ctx, args...)
	if err != nil {
		return err
	}
	fmt.Printf("  $ kubectl -n %s %s\n", d.namespace, commandLine(args))
	for _, line := range strings.Split(strings.TrimRight(out, "\n"), "\n") {
		fmt.Println("  " + line)
	}
	fmt.Println()
	return nil
}

// commandLine are arguments as somebody types them.
func commandLine(args []string) string {
	typed := make([]string, len(args))
	for i, arg := range args {
		if typed[i] = arg; strings.ContainsAny(arg, " *?$&|;<>()[]{}\"'\\") {
			typed[i] = stack.Quote(arg)
		}
	}
	return strings.Join(typed, " ")
}

func (d *demo) applySamples(ctx context.Context) error {
	out, err := d.stack.ApplySamples(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("  $ kubectl kustomize config/samples | kubectl apply -f -\n  %s\n\n", strings.ReplaceAll(strings.TrimSpace(out), "\n", "\n  "))
	return d.show(ctx, "get", "tenantbudgets,ratelimitpolicies,modelproviders,apikeys")
}

// secondBudgetIsRefused tries to give the tenant a second budget, by which it could
// spend more.
func (d *demo) secondBudgetIsRefused(ctx context.Context) error {
	err := d.stack.Apply(ctx, `
apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: second, namespace: acme}
spec: {tenant: acme, limits: [{name: daily, period: Day, amount: "500.00"}]}
`)
	const want = `The TenantBudget "second" is invalid: spec.tenant: Invalid value: "acme": already governed by the older TenantBudget acme/acme: only one may name a tenant, so remove this one, or name it in spec.successorRef of the other`
	switch {
	case err == nil:
		return fmt.Errorf("it was accepted, want %s", want)
	case !strings.Contains(err.Error(), want):
		return fmt.Errorf("got %w, want %s", err, want)
	}
	fmt.Printf("  $ kubectl -n acme apply -f second.yaml\n  %s\n", want)
	return nil
}

func (d *demo) empleadoIsRateLimited(ctx context.Context) error {
	return d.isRateLimited(ctx, "empleado-1", 5, true)
}

func (d *demo) gerenteIsRateLimited(ctx context.Context) error {
	return d.isRateLimited(ctx, "gerente-1", 20, false)
}

func (d *demo) isRateLimited(ctx context.Context, user string, perMinute int, print bool) error {
	begin := time.Now()
	admitted, refusal, err := d.callUntilRefused(ctx, call{user: user, model: "gpt-4o-mini", output: 16}, 3*perMinute)
	if err != nil {
		return err
	}
	refilled := int(time.Since(begin) * time.Duration(perMinute) / time.Minute)
	fmt.Printf("  %s: %d calls admitted, then: %s, Retry-After: %s\n", user, admitted, refusal.status, refusal.header.Get("Retry-After"))
	if print {
		fmt.Println()
		refusal.print()
	}
	if admitted < perMinute || admitted > perMinute+refilled {
		return fmt.Errorf("%d calls admitted, want %d, and at most %d more that flowed in meanwhile", admitted, perMinute, refilled)
	}
	if code := refusal.errorCode(); code != "rate_limit_exceeded" {
		return fmt.Errorf("refused with code %q, want rate_limit_exceeded", code)
	}
	if seconds, err := strconv.Atoi(refusal.header.Get("Retry-After")); err != nil || seconds < 1 || seconds > 60 {
		return fmt.Errorf("Retry-After is %q, want seconds between 1 and 60", refusal.header.Get("Retry-After"))
	}
	return nil
}

func (d *demo) spendUntilBreakerOpens(ctx context.Context) error {
	expensive := call{user: "corporativo-1", model: "gpt-4o", output: 8000}
	admitted, refusal, err := d.callUntilRefused(ctx, expensive, 90)
	if err != nil {
		return err
	}
	fmt.Printf("  corporativo-1: %d calls admitted, then:\n\n", admitted)
	refusal.print()
	if code := refusal.errorCode(); code != "breaker_open" {
		return fmt.Errorf("refused with code %q, want breaker_open", code)
	}
	if retry := refusal.header.Get("x-should-retry"); retry != "false" {
		return fmt.Errorf("x-should-retry is %q, want false", retry)
	}
	begin := time.Now()
	if err := d.waitFor(ctx, noticed, "condition BreakerOpen is True", func() (bool, error) {
		status, err := d.breakerOpen(ctx)
		return status == "True", err
	}); err != nil {
		return err
	}
	if err := d.waitForEvents(ctx, "BudgetWarning", "BreakerOpened"); err != nil {
		return err
	}
	fmt.Printf("\n  The condition and the Events were there %.1f s after the first refusal.\n", time.Since(begin).Seconds())
	return nil
}

func (d *demo) breakerOpen(ctx context.Context) (string, error) {
	return d.kubectl(ctx, "get", "tenantbudget", "acme", "-o", `jsonpath={.status.conditions[?(@.type=="BreakerOpen")].status}`)
}

// waitForEvents waits until there is an Event of each reason.
func (d *demo) waitForEvents(ctx context.Context, reasons ...string) error {
	return d.waitFor(ctx, noticed, fmt.Sprintf("Events %v are there", reasons), func() (bool, error) {
		out, err := d.kubectl(ctx, "get", "events", "-o", "jsonpath={.items[*].reason}")
		seen := strings.Fields(out)
		for _, reason := range reasons {
			if !contains(seen, reason) {
				return false, err
			}
		}
		return true, err
	})
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}

// waitFor waits until isSo returns true. what describes that.
func (d *demo) waitFor(ctx context.Context, timeout time.Duration, what string, isSo func() (bool, error)) error {
	deadline := time.Now().Add(timeout)
	for {
		so, err := isSo()
		if err != nil {
			return err
		}
		if so {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("timed out after %s waiting until %s", timeout, what)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (d *demo) kubectlShowsOpenBreaker(ctx context.Context) error {
	if err := d.show(ctx, "get", "tenantbudgets"); err != nil {
		return err
	}
	if err := d.show(ctx, "get", "tenantbudget", "acme", "-o", `jsonpath={range .status.conditions[*]}{.type}={.status} ({.reason}) {.message}{"\n"}{end}`); err != nil {
		return err
	}
	return d.show(ctx, "get", "events", "-o", "custom-columns=TYPE:.type,REASON:.reason,OBJECT:.involvedObject.name,MESSAGE:.message",
		"--field-selector", "involvedObject.kind=TenantBudget")
}

func (d *demo) raiseTheLimit(ctx context.Context) error {
	patch := `[{"op": "test", "path": "/spec/limits/0/name", "value": "daily"},` +
		` {"op": "replace", "path": "/spec/limits/0/amount", "value": "10.00"}]`
	if err := d.show(ctx, "patch", "tenantbudget", "acme", "--type=json", "-p", patch); err != nil {
		return err
	}
	if err := d.waitFor(ctx, noticed, "condition BreakerOpen is False", func() (bool, error) {
		status, err := d.breakerOpen(ctx)
		return status == "False", err
	}); err != nil {
		return err
	}
	if _, err := d.kubectl(ctx, "wait", "--for=condition=Programmed", "--timeout=10s", "tenantbudget/acme"); err != nil {
		return err
	}
	a, err := d.do(ctx, call{user: "corporativo-1", model: "gpt-4o-mini", output: 16})
	if err != nil {
		return err
	}
	fmt.Printf("  corporativo-1 calls again: HTTP %s\n\n", a.status)
	if a.code != 200 {
		return fmt.Errorf("after the recovery a call got %s: %s", a.status, a.body)
	}
	if err := d.waitForEvents(ctx, "BreakerClosed"); err != nil {
		return err
	}
	return d.show(ctx, "get", "tenantbudgets")
}
