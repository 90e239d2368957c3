package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/bursar-dev/bursar/history"
)

// asUsageError is an error of the reader, as a usage error where the query was invalid.
func asUsageError(err error) error {
	if errors.Is(err, history.ErrQuery) {
		return usageError{err}
	}
	return err
}

// callOptions are the flags of calls.
type callOptions struct {
	selection
	whose
	since   string
	refused bool
	limit   int
	format  string
	ledger  database
}

func newCalls(c *cluster) *cobra.Command {
	var o callOptions
	cmd := &cobra.Command{
		Use:   "calls [BUDGET]",
		Short: "List the latest calls of a tenant, or those that a limit refused",
		Long: `List the latest calls of a tenant that have ended, newest first, from the ledger; or, with
--refused, those that a limit refused. kubectl budget explain tells more about one.`,
		Example: `  kubectl budget calls -n acme --user gerente-1 --since 24h
  kubectl budget calls -n acme --refused --limit 20
  kubectl budget calls --tenant acme --decision Replaced -o json`,
		Args:              between(0, 1, "at most one budget"),
		ValidArgsFunction: c.completeBudgets(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.name(args); err != nil {
				return err
			}
			found, err := o.run(cmd.Context(), c, time.Now())
			if err != nil {
				return err
			}
			return writeFound(cmd.OutOrStdout(), o.format, found)
		},
	}
	o.whose.addFlags(cmd, c)
	o.selection.addFlags(cmd)
	o.ledger.addFlag(cmd)
	cmd.Flags().StringVar(&o.since, "since", "7d", "how far back, such as 24h, 7d or 12w")
	cmd.Flags().BoolVar(&o.refused, "refused", false, "calls that a limit refused, instead of those that were made")
	cmd.Flags().IntVar(&o.limit, "limit", 50, "how many calls to list at most")
	addOutput(cmd, &o.format, formatTable, formatJSON, formatYAML)
	return cmd
}

// callList are calls of a tenant.
type callList struct {
	Tenant  string       `json:"tenant"`
	Refused bool         `json:"refused"`
	Calls   []listedCall `json:"calls"`
	// More is whether there are more calls than are listed.
	More bool `json:"more"`
}

// listedCall is a call, and how it ended; or a refused one, and the limit that refused it.
type listedCall struct {
	ID   string    `json:"id"`
	At   time.Time `json:"at"`
	User string    `json:"user"`
	Tier string    `json:"tier"`
	// Actor is the user of the credential, if it made the call for another, who is User.
	Actor    string `json:"actor,omitempty"`
	Asked    string `json:"modelAsked"`
	Model    string `json:"model"`
	Endpoint string `json:"endpoint"`
	Decision string `json:"decision"`
	Outcome  string `json:"outcome"`
	Provider string `json:"provider,omitempty"`
	Tokens   int64  `json:"tokens"`
	// Cost is empty for a refused call.
	Cost     string `json:"costUSD,omitempty"`
	Limit    string `json:"limit,omitempty"`
	Fallback string `json:"fallback,omitempty"`
}

// run reads what the options ask for, page by page.
func (o *callOptions) run(ctx context.Context, c *cluster, now time.Time) (list callList, err error) {
	ago, err := parseLength(o.since)
	if err != nil {
		return list, usageError{fmt.Errorf("--since: %w", err)}
	}
	if o.limit < 1 {
		return list, usageError{errors.New("--limit must be at least 1")}
	}
	reader, closeIt, err := o.ledger.open(ctx)
	if err != nil {
		return list, err
	}
	defer closeIt()
	tenant, _, err := o.find(ctx, c)
	if err != nil {
		return list, err
	}
	read := reader.ListCalls
	if o.refused {
		read = reader.ListRefusals
	}
	list = callList{Tenant: tenant, Refused: o.refused, Calls: []listedCall{}}
	query := history.ListQuery{From: now.Add(-ago), To: now.Add(time.Minute), Where: o.Filter}
	for len(list.Calls) < o.limit {
		query.Limit = min(o.limit-len(list.Calls), history.MostPage)
		page, err := read(ctx, history.As{Tenant: tenant, Admin: true}, query)
		if err != nil {
			return list, asUsageError(err)
		}
		for _, call := range page.Calls {
			list.Calls = append(list.Calls, newListedCall(call))
		}
		query.After, list.More = page.Next, page.Next != ""
		if !list.More {
			break
		}
	}
	return list, nil
}

func newListedCall(call history.Call) listedCall {
	l := listedCall{
		ID: call.ID, At: call.At, User: call.User, Tier: call.Tier, Actor: call.Actor,
		Asked: call.ModelAsked, Model: call.Model, Endpoint: call.Endpoint,
	}
	if a := call.Admission; a != nil {
		l.Decision, l.Outcome, l.Provider, l.Tokens, l.Cost = string(a.Decision), string(a.Outcome), a.Provider, a.Tokens, a.Cost.String()
	}
	if r := call.Refusal; r != nil {
		l.Decision, l.Outcome, l.Tokens, l.Fallback = string(history.Refused), string(r.Reason), r.Tokens, string(r.Fallback)
		if l.Limit = r.Limit; r.Tenant != call.Tenant {
			l.Limit = r.Tenant + "/" + r.Limit
		}
	}
	return l
}

func (l callList) write(w io.Writer) {
	if len(l.Calls) == 0 {
		fmt.Fprintf(w, "No such calls of tenant %s. The ledger has calls once they have ended.\n", l.Tenant)
		return
	}
	heads := []string{"MODEL", "DECISION", "OUTCOME", "TOKENS", "COST (USD)"}
	if l.Refused {
		heads = []string{"MODEL", "REASON", "LIMIT", "ANSWERED BY"}
	}
	hasActors := slices.ContainsFunc(l.Calls, func(c listedCall) bool { return c.Actor != "" })
	who := []string{"AT", "CALL", "USER"}
	if hasActors {
		who = append(who, "MADE BY")
	}
	all := table{cells(append(who, heads...)...)}
	for _, c := range l.Calls {
		row := []string{moment(c.At), c.ID, c.User}
		if hasActors {
			row = append(row, orDash(c.Actor))
		}
		if l.Refused {
			row = append(row, c.Model, c.Outcome, orDash(c.Limit), orDash(c.Fallback))
		} else {
			row = append(row, c.Model, c.Decision, c.Outcome, fmt.Sprint(c.Tokens), c.Cost)
		}
		all = append(all, cells(row...))
	}
	all.write(w)
	if l.More {
		fmt.Fprintln(w, "\nThere are more: raise --limit, or select fewer.")
	}
}
