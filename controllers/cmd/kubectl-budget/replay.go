package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/history"
	"github.com/bursar-dev/bursar/history/replay"
)

// errRefuses means that calls would be refused, for --exit-code.
var errRefuses = errors.New("calls would be refused")

type replayOptions struct {
	file, since, format string
	exitCode            bool
	ledger              database
	console             console
}

func newReplay(c *cluster) *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay -f FILE",
		Short: "Replay past calls under other limits",
		Long: `Replay the calls of the ledger under the TenantBudgets and RateLimitPolicies of a file,
and show how many would have been refused, by which limit and for which user, and when
each limit would have been exhausted. What is not in the file is read from the cluster,
which is not changed. A policy with a targetSelector is replayed for each TenantBudget
that it selects.

What is unknown is assumed in favour of the calls: the buckets of rate limits start full,
and a call takes from them the tokens that it used. Calls that a money limit refused then
are tried again, at a cost estimated from calls to their model. Calls keep the model that
they were made with: Downgrade rungs, virtual models and fallbacks are not replayed.
Grants of that time are applied to the limits of the same names.

With a console (--console or BURSAR_CONSOLE), your own rights are enough. It replays 1 to 30
whole days, a budget's limits and ladder, and the limits of each policy, one after the other.`,
		Example: `  kubectl budget replay -f new.yaml --since 7d
  git show HEAD:acme.yaml | kubectl budget replay -f - -n acme --since 30d -o json
  kubectl budget replay -f new.yaml --exit-code || echo "would refuse calls"`,
		Args: exactly(0, "no arguments except -f FILE"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runReplay(cmd, c, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.file, "file", "f", "", "file with the YAML to replay; - is standard input")
	flags.StringVar(&o.since, "since", "7d", "how far back to start: a duration such as 12h, 7d or 2w")
	flags.BoolVar(&o.exitCode, "exit-code", false, "exit with code 3 if calls would be refused")
	o.ledger.addFlag(cmd)
	o.console.addFlags(cmd)
	addOutput(cmd, &o.format, formatTable, formatJSON, formatYAML)
	return cmd
}

func runReplay(cmd *cobra.Command, c *cluster, o replayOptions) error {
	if o.file == "" {
		return usageError{errors.New("-f is required")}
	}
	length, err := parseLength(o.since)
	if err != nil {
		return usageError{fmt.Errorf("--since: %w", err)}
	}
	namespace, err := c.namespace()
	if err != nil {
		return err
	}
	changed, err := readResourceFile(o.file, cmd.InOrStdin(), namespace, func(kind, name string) {
		fmt.Fprintf(cmd.ErrOrStderr(), "ignored: %s %s is neither a TenantBudget nor a RateLimitPolicy\n", kind, name)
	})
	if err != nil {
		return err
	}
	if err := changed.check(); err != nil {
		return err
	}
	var reports []replayReport
	if o.console.isNamed(o.ledger) {
		reports, err = o.previews(cmd, c, changed, length)
	} else {
		reports, err = o.replays(cmd.Context(), c, changed, namespace, length)
	}
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if o.format != formatTable {
		err = writeObject(out, o.format, map[string]any{"replays": reports})
	} else {
		for i, report := range reports {
			if i > 0 {
				fmt.Fprintln(out)
			}
			report.write(out)
		}
	}
	if err != nil {
		return err
	}
	for _, report := range reports {
		if o.exitCode && report.Refused.Calls > 0 {
			return errRefuses
		}
	}
	return nil
}

// replays runs the changed budgets with the calls of the ledger.
func (o *replayOptions) replays(ctx context.Context, c *cluster, changed resources, namespace string, length time.Duration) ([]replayReport, error) {
	reader, closeIt, err := o.ledger.open(ctx)
	if err != nil {
		return nil, err
	}
	defer closeIt()
	to := time.Now().UTC().Truncate(time.Millisecond)
	return replayAll(ctx, c, reader, changed, namespace, to.Add(-length), to)
}

// replayAll replays each budget that is changed.
func replayAll(
	ctx context.Context, c *cluster, reader *history.Reader, changed resources, namespace string, from, to time.Time,
) ([]replayReport, error) {
	budgets, err := c.tree(ctx, namespace)
	if err != nil {
		return nil, err
	}
	policies, err := c.policies(ctx, budgets)
	if err != nil {
		return nil, err
	}
	all := changed.over(resources{budgets: budgets.budgets, policies: policies, labelsOf: c.labelsOf(ctx)})
	keys, err := all.changedBy(changed)
	if err != nil {
		return nil, err
	}
	var reports []replayReport
	for _, key := range keys {
		budget, err := all.budget(key)
		if err != nil {
			return nil, err
		}
		document, err := all.compile(budget)
		if err != nil {
			return nil, err
		}
		if document, err = reader.Granted(ctx, document, from, to); err != nil {
			return nil, err
		}
		result, err := history.Replay(ctx, reader, document, all.budgets, from, to)
		if err != nil {
			return nil, err
		}
		unknown := budgets.unknown(document)
		if budgets.partial != nil {
			unknown = append(unknown, "rate limits of policies in namespaces that you may not read")
		}
		reports = append(reports, newReplayReport(budget, result, unknown))
	}
	return reports, nil
}

// parseLength reads a length of time, which may be in days or weeks.
func parseLength(text string) (time.Duration, error) {
	const day = 24 * time.Hour
	length, err := time.ParseDuration(text)
	for suffix, unit := range map[string]time.Duration{"d": day, "w": 7 * day} {
		if number, ok := strings.CutSuffix(text, suffix); ok {
			var n int64
			if n, err = strconv.ParseInt(number, 10, 32); err == nil {
				length = time.Duration(n) * unit
			}
		}
	}
	if err != nil || length <= 0 || length > 366*day {
		return 0, fmt.Errorf("%q must be a duration of at most 366 days, such as 12h, 7d or 2w", text)
	}
	return length, nil
}

// replayReport is the report of one budget's replay.
type replayReport struct {
	Budget string `json:"budget"`
	// Policy is the RateLimitPolicy, if it is the only change that is replayed.
	Policy string    `json:"policy,omitempty"`
	Tenant string    `json:"tenant"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	// Shadow is whether what is refused here is admitted, and only counted.
	Shadow      bool           `json:"shadow,omitempty"`
	Admitted    tally          `json:"admitted"`
	Refused     tally          `json:"refused"`
	WereRefused tally          `json:"wereRefused"`
	Fitting     tally          `json:"fitting"`
	Limits      []limitReport  `json:"limits"`
	Periods     []periodReport `json:"periods"`
	Users       []userReport   `json:"users"`
	Unknown     []string       `json:"unknown,omitempty"`
}

type tally struct {
	Calls int64  `json:"calls"`
	Cost  string `json:"cost"`
}

func tallyOf(t replay.Tally) tally { return tally{t.Calls, t.Cost.String()} }

type limitReport struct {
	Limit string `json:"limit"`
	Per   string `json:"per,omitempty"`
	// Size is the limit in words: "5.00 per Day".
	Size    string           `json:"size"`
	Refused tally            `json:"refused"`
	Reasons map[string]int64 `json:"reasons,omitempty"`
	// TrippedAt and ExhaustedAt are when the limit would first have tripped and been
	// exhausted.
	TrippedAt   *time.Time `json:"trippedAt,omitempty"`
	ExhaustedAt *time.Time `json:"exhaustedAt,omitempty"`
}

type periodReport struct {
	Limit       string     `json:"limit"`
	User        string     `json:"user,omitempty"`
	Group       string     `json:"group,omitempty"`
	APIKey      string     `json:"apiKey,omitempty"`
	From        time.Time  `json:"from"`
	To          time.Time  `json:"to"`
	Spent       string     `json:"spent"`
	TrippedAt   *time.Time `json:"trippedAt,omitempty"`
	ExhaustedAt *time.Time `json:"exhaustedAt,omitempty"`
	Refused     tally      `json:"refused"`
}

type userReport struct {
	Tenant   string `json:"tenant"`
	User     string `json:"user"`
	Admitted tally  `json:"admitted"`
	Refused  tally  `json:"refused"`
}

func newReplayReport(budget *v1alpha1.TenantBudget, result replay.Result, unknown []string) replayReport {
	r := replayReport{
		Budget: budget.Namespace + "/" + budget.Name, Tenant: budget.Spec.Tenant, From: result.From, To: result.To, Shadow: result.Shadow,
		Admitted: tallyOf(result.Admitted), Refused: tallyOf(result.Refused),
		WereRefused: tallyOf(result.WereRefused), Fitting: tallyOf(result.Fitting),
		Limits: []limitReport{}, Periods: []periodReport{}, Users: []userReport{}, Unknown: unknown,
	}
	for _, limit := range result.Limits {
		l := limitReport{Limit: limit.Tenant + "/", Refused: tallyOf(limit.Total())}
		switch {
		case limit.Money != nil:
			l.Limit, l.Per = l.Limit+limit.Money.Name, string(limit.Money.Per)
			l.Size = fmt.Sprintf("%s per %s", limit.Money.Amount, limit.Money.Period)
		case limit.Rate != nil:
			l.Limit, l.Per = l.Limit+limit.Rate.Name, string(limit.Rate.Per)
			l.Size = rateSize(limit)
		default:
			l.Limit, l.Size = l.Limit+"breaker", "forced open"
		}
		for reason, refused := range limit.Refused {
			if l.Reasons == nil {
				l.Reasons = map[string]int64{}
			}
			l.Reasons[string(reason)] = refused.Calls
		}
		for _, p := range limit.Periods {
			l.TrippedAt, l.ExhaustedAt = earlier(l.TrippedAt, p.TrippedAt), earlier(l.ExhaustedAt, p.ExhaustedAt)
			r.Periods = append(r.Periods, periodReport{
				Limit: l.Limit, User: p.Owner.User, Group: p.Owner.Group, APIKey: p.Owner.Key, From: p.Start, To: p.End, Spent: p.Spent.String(),
				TrippedAt: earlier(nil, p.TrippedAt), ExhaustedAt: earlier(nil, p.ExhaustedAt), Refused: tallyOf(p.Refused),
			})
		}
		r.Limits = append(r.Limits, l)
	}
	for _, user := range result.Users {
		r.Users = append(r.Users, userReport{user.Tenant, user.Name, tallyOf(user.Admitted), tallyOf(user.Refused)})
	}
	return r
}

func rateSize(limit replay.LimitResult) string {
	rate := limit.Rate
	if rate.Count == 0 {
		return fmt.Sprintf("%d in flight", rate.Burst)
	}
	size := fmt.Sprintf("%d %s per %s", rate.Count, rate.Unit, short(rate.Window.Std()))
	if rate.Burst != rate.Count {
		size += fmt.Sprintf(", %d at once", rate.Burst)
	}
	return size
}

// short is a length of time as people write it: "1m" rather than "1m0s".
func short(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// earlier is the earlier of two moments, each of which may be missing.
func earlier(a *time.Time, b time.Time) *time.Time {
	if b.IsZero() || a != nil && !b.Before(*a) {
		return a
	}
	return &b
}
