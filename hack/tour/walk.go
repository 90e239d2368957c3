package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/hack/stack"
)

const opening = `# A tour of kubectl budget

` + "`make tour`" + ` writes this page: it runs all of Bursar on one machine with the tenant of ` + "`config/samples`" + `, makes calls, runs the
commands below, and copies what they print. Ids, times and figures differ each time.

` + "`make build`" + ` makes the plugin, ` + "`bin/kubectl-budget`" + `, one static binary: put it on your ` + "`PATH`" + `. For completion with
` + "`kubectl`" + `, link to it as ` + "`kubectl_complete-budget`" + ` in the same directory; kubectl then completes commands, budgets and limits. For
the binary by itself, use ` + "`kubectl-budget completion bash`" + ` (or zsh, fish).

` + "`usage`" + `, ` + "`calls`" + `, ` + "`alerts`" + `, ` + "`report`" + `, ` + "`explain`" + `, ` + "`history`" + `, ` + "`replay`" + ` and ` + "`shadow`" + ` read the ledger: set ` + "`BURSAR_DATABASE_URL`" + ` to
the URL of a login that is a member of ` + "`bursar_reader`" + `. That login can read every tenant's calls. With it, ` + "`top`" + ` also shows limits
per user. All other commands need only the cluster, with the usual flags of kubectl, or nothing at all. ` + "`--help`" + ` of every command
has examples. Commands that print tables also have ` + "`-o json`" + ` and ` + "`-o yaml`" + `. Output on a terminal has colours, unless ` + "`NO_COLOR`" + `
is set.
`

// walk walks through the commands.
func (t *tour) walk(ctx context.Context) error {
	t.say("%s", strings.TrimSpace(opening))
	for _, stop := range []func(context.Context) error{
		t.findMistakes, t.makeAKey, t.seeWhatIsSpent, t.askWhy, t.askWhatWasUsed, t.askWhoWasTold, t.askWhoSpentWhat, t.giveMore,
		t.askWhoChangedWhat, t.replayThePast, t.watchInShadow, t.replaceTheKey, t.importPrices,
	} {
		if err := stop(ctx); err != nil {
			return err
		}
	}
	return nil
}

const mistaken = `apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: acme, namespace: acme}
spec:
  tenant: acme
  timeZone: America/Argentina/Buenos_Aires
  limits:
  - {name: daily, period: Day, amount: "50.00"}
  - {name: mini,  period: Day, amount: "1.00", models: [gpt-4o-mni]}
`

func (t *tour) findMistakes(ctx context.Context) error {
	t.say("## Find mistakes before they count")
	t.say("`check` reports what the webhook would refuse, what has no effect, what is probably a mistake, and how the budgets in the\n" +
		"cluster would change. It changes nothing.")
	if err := t.file("mistaken.yaml", mistaken); err != nil {
		return err
	}
	if err := t.shell(ctx, "kubectl budget check -f mistaken.yaml", 1); err != nil {
		return err
	}
	t.say("In a pipeline that cannot reach the cluster, use `--local`. `check` then says what it could not check.")
	return t.shell(ctx, "kubectl budget check -f mistaken.yaml --local 2>&1 | tail -n 2")
}

func (t *tour) askWhatWasUsed(ctx context.Context) error {
	t.say("## See what was used")
	t.say("`usage` adds up calls, tokens, cost, refused calls and savings of one tenant; `calls` lists them.")
	if err := t.shell(ctx, "kubectl budget usage -n acme --by user"); err != nil {
		return err
	}
	if err := t.shell(ctx, "kubectl budget calls -n acme --limit 3"); err != nil {
		return err
	}
	return t.shell(ctx, "kubectl budget calls -n acme --refused")
}

func (t *tour) askWhoWasTold(ctx context.Context) error {
	t.say("## See who was told")
	t.say("`alerts` lists the alerts, such as rungs that were reached. With `--alert ID`, it shows one, and who was told of it.")
	return t.recorded(ctx, "kubectl budget alerts -n acme", "daily")
}

func (t *tour) askWhoSpentWhat(ctx context.Context) error {
	t.say("## Ask who spent what")
	t.say("`report` adds up the cost of calls in the ledger. With `-A`, a member of `bursar_finance` gets a report over all tenants;\n" +
		"`--invoice` compares it with a provider's invoice.")
	if err := t.shell(ctx, "kubectl budget report --by user,model -n acme"); err != nil {
		return err
	}
	return t.shell(ctx, "kubectl budget report --by day,user -n acme -o csv")
}

func (t *tour) askWhoChangedWhat(ctx context.Context) error {
	t.say("## Ask who changed what")
	t.say("`history` shows every change of a limit, and who asked the API server for it.")
	raise := `kubectl patch tenantbudget acme -n acme --type json -p '[{"op": "replace", "path": "/spec/limits/0/amount", "value": "6.00"}]'`
	if err := t.shell(ctx, raise); err != nil {
		return err
	}
	return t.recorded(ctx, "kubectl budget history acme -n acme", "6.00")
}

// recorded shows what a command prints once that contains a text.
func (t *tour) recorded(ctx context.Context, line, text string) error {
	err := t.until(ctx, line+" has "+text, func() (bool, error) {
		out, err := t.run(ctx, line)
		return err == nil && strings.Contains(out, text), nil
	})
	if err != nil {
		return err
	}
	return t.shell(ctx, line)
}

func (t *tour) watchInShadow(ctx context.Context) error {
	t.say("## Watch before enforcing")
	t.say("A budget with `enforcement: Shadow` decides and records, but refuses nothing. `shadow` shows what it would have refused, and\n" +
		"whether it is ready to be enforced.")
	toShadow := "kubectl patch tenantbudget acme -n acme --type merge -p '{\"spec\": {\"enforcement\": \"Shadow\"}}'"
	if err := t.shell(ctx, toShadow); err != nil {
		return err
	}
	if err := t.shell(ctx, "kubectl wait -n acme --for=condition=Programmed tenantbudget/acme"); err != nil {
		return err
	}
	key, err := t.anas()
	if err != nil {
		return err
	}
	id, status, err := t.chat(ctx, key, "gpt-4o", outputTokens)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("a call in Shadow: status %d, %w", status, err)
	}
	if err := t.explained(ctx, id); err != nil {
		return err
	}
	return t.shell(ctx, "kubectl budget shadow acme -n acme")
}

// anas is ana's key, which the tour has made.
func (t *tour) anas() (string, error) {
	key, err := os.ReadFile(filepath.Join(t.work, "ana.key"))
	return strings.TrimSpace(string(key)), err
}

func (t *tour) makeAKey(ctx context.Context) error {
	t.say("## Make a key")
	t.say("The APIKey contains only the hash, so it can go into Git. The key is shown once, on standard error, or written to a file that only\n" +
		"its owner can read. A key is `bursar_`, the namespace, `_` and 64 hexadecimal digits, a pattern that secret scanners can find. It\n" +
		"works only with an APIKey in that namespace, so registering its hash elsewhere has no effect.")
	for _, line := range []string{
		"kubectl budget key create ana -n acme --budget acme --user ana@example.com --tier corporativo --expires 30d --key-file ana.key > ana.yaml",
		"cat ana.yaml",
		"kubectl apply -f ana.yaml",
		"kubectl wait -n acme --for=condition=Programmed apikey/ana",
	} {
		if err := t.shell(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) replaceTheKey(ctx context.Context) error {
	t.say("## Replace a key")
	t.say("A key is replaced without an outage: the previous key keeps working for a day, or for `--overlap`. `revoke` ends all keys of an\n" +
		"APIKey at once; with `--previous`, only the replaced ones.")
	for _, line := range []string{
		"kubectl budget key rotate ana -n acme --overlap 1h --key-file ana-2.key",
		"kubectl wait -n acme --for=condition=Programmed apikey/ana",
		"kubectl get apikey ana -n acme",
		"kubectl budget key revoke ana -n acme --previous",
	} {
		if err := t.shell(ctx, line); err != nil {
			return err
		}
	}
	return nil
}

func (t *tour) seeWhatIsSpent(ctx context.Context) error {
	t.say("## See what is spent")
	key, err := t.anas()
	if err != nil {
		return err
	}
	for range 8 {
		if err := t.mustChat(ctx, key, http.StatusOK); err != nil {
			return err
		}
	}
	t.say("This is the state after eight calls. On a terminal, `kubectl budget top` shows bars and refreshes every two seconds, until Ctrl-C.")
	if err := t.settled(ctx, 8); err != nil {
		return err
	}
	if err := t.shell(ctx, "kubectl budget top -n acme --once"); err != nil {
		return err
	}
	return t.shell(ctx, "kubectl budget top acme -n acme -o yaml | head -n 11")
}

// outputTokens is how many tokens each call generates, for some 16 cents.
const outputTokens = 16000

func (t *tour) mustChat(ctx context.Context, key string, want int) error {
	id, status, err := t.chat(ctx, key, "gpt-4o", outputTokens)
	if err == nil && status != want {
		err = fmt.Errorf("call %s: status %d, want %d", id, status, want)
	}
	return err
}

// settled waits until the budget's status has the cost of so many calls, and nothing is held.
func (t *tour) settled(ctx context.Context, calls int) error {
	return t.until(ctx, fmt.Sprintf("status has %d calls", calls), func() (bool, error) {
		out, err := t.stack.RunKubectl(ctx, "-n", stack.SampleNamespace, "get", "tenantbudget", "acme",
			"-o", `jsonpath={.status.limits[0].spent} {.status.limits[0].held}`)
		var spent, held float64
		_, scanErr := fmt.Sscan(out, &spent, &held)
		return scanErr == nil && held == 0 && spent > 0.16*float64(calls), err
	})
}

func (t *tour) until(ctx context.Context, what string, isSo func() (bool, error)) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		so, err := isSo()
		if so || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

func (t *tour) askWhy(ctx context.Context) error {
	t.say("## Ask why")
	key, err := t.anas()
	if err != nil {
		return err
	}
	admitted, status, err := t.chat(ctx, key, "gpt-4o", outputTokens)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("a call: status %d, %w", status, err)
	}
	var refused string
	admittedCalls := 9
	for ; ; admittedCalls++ {
		id, status, err := t.chat(ctx, key, "gpt-4o", outputTokens)
		if err != nil {
			return err
		}
		if status == http.StatusTooManyRequests {
			refused = id
			break
		}
	}
	if err := t.settled(ctx, admittedCalls); err != nil {
		return err
	}
	t.say("The header `x-bursar-call-id` of each answer is the call's id. Why was this call admitted, and what was left of the limits?")
	if err := t.explained(ctx, admitted); err != nil {
		return err
	}
	t.say("And why was this one refused, some calls later? The figures of the limit that refused are the limiter's own; those of the\n" +
		"others are computed from the ledger, to the second.")
	return t.explained(ctx, refused)
}

// explained shows a call once it is on record.
func (t *tour) explained(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var lastErr error
	err := t.until(ctx, "call "+id+" is on record", func() (bool, error) {
		lastErr = t.shell(ctx, "kubectl budget explain "+id+" -n acme")
		return lastErr == nil, nil
	})
	return errors.Join(err, lastErr)
}

func (t *tour) giveMore(ctx context.Context) error {
	t.say("## Give more, for a time")
	t.say("A BudgetGrant raises a limit until it expires, and states the reason. The command prints YAML for Git, or creates it with `--apply`.")
	return t.shell(ctx, `kubectl budget grant acme -n acme --name release-12 --limit daily --amount 5.00 --expires 24h --reason "load test of release 12"`)
}

const smaller = `apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: acme, namespace: acme}
spec:
  tenant: acme
  timeZone: America/Argentina/Buenos_Aires
  limits:
  - {name: daily,   period: Day,   amount: "2.00"}
  - {name: monthly, period: Month, amount: "100.00"}
  ladder:
  - {atPercent: 90, action: Trip}
---
apiVersion: bursar.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: tiers, namespace: acme}
spec:
  targetRef: {name: acme}
  limits:
  - {name: corporativo, tiers: [corporativo], per: User, requests: 5, burst: 20, window: 1m}
`

func (t *tour) replayThePast(ctx context.Context) error {
	t.say("## Replay the past under other limits")
	t.say("What would smaller limits have done last week? `replay` runs the calls in the ledger through the limits in the YAML, by the\n" +
		"limiter's rules, before anyone applies it.")
	if err := t.file("smaller.yaml", smaller); err != nil {
		return err
	}
	if err := t.shell(ctx, "kubectl budget replay -f smaller.yaml --since 7d"); err != nil {
		return err
	}
	t.say("Under the limits that were in force, no admitted call is refused. In a pipeline, `--exit-code`\n" +
		"fails a change that would refuse calls.")
	if err := t.shell(ctx, "kubectl get tenantbudget,ratelimitpolicy -n acme -o yaml | kubectl budget replay -f - --since 7d --exit-code"); err != nil {
		return err
	}
	if err := t.shell(ctx, "kubectl budget replay -f smaller.yaml --since 7d --exit-code > report.txt; echo exit $?"); err != nil {
		return err
	}
	t.say("YAML that the controllers would not accept is rejected with the same message.")
	return t.shell(ctx, `sed 's/"2.00"/"2,00"/' smaller.yaml | kubectl budget replay -f -`, 1)
}

const table = `{
  "mistral-small": {"litellm_provider": "mistral", "mode": "chat", "input_cost_per_token": 1e-07, "output_cost_per_token": 3e-07, "max_output_tokens": 8192},
  "mistral-odd":   {"litellm_provider": "mistral", "mode": "chat", "input_cost_per_token": -1, "output_cost_per_token": 3e-07, "max_output_tokens": 8192}
}
`

func (t *tour) importPrices(ctx context.Context) error {
	t.say("## Import prices")
	t.say("`prices import` makes a ModelProvider from a price table in the format of models.dev or LiteLLM. These two rows are\n" +
		"made up; the second is invalid.")
	if err := os.WriteFile(filepath.Join(t.work, "prices.json"), []byte(table), 0o644); err != nil {
		return err
	}
	return t.shell(ctx, "kubectl budget prices import -f prices.json --provider mistral --endpoint https://api.example.com/v1")
}
