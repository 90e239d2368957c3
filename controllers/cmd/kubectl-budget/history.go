package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/bursar-dev/bursar/history"
)

func newHistory(c *cluster) *cobra.Command {
	var (
		who    whose
		ledger database
		since  string
		format string
	)
	cmd := &cobra.Command{
		Use:   "history [BUDGET]",
		Short: "Show who changed which limit, when, and from what to what",
		Long: `Show how the limits of a TenantBudget were changed: when, from what to what, and by whom.
That includes the rate limits of its RateLimitPolicies, grants, enforcement: Shadow and
forced breakers.

BY is who asked the API server for the change, as authenticated there; a GitOps controller
is a service account. It is "-" if no webhook was asked, for example while no manager ran:
then look into the audit log of the API server. CLIENT is the field manager, a name that
clients choose. The API server records it to the second, so for two changes within a second,
or a change that only removes fields, it may be the name of another change. It is "-" for
grants, for which it is not recorded.`,
		Example: `  kubectl budget history acme -n acme
  kubectl budget history --tenant acme --since 90d -o json`,
		Args:              between(0, 1, "at most one budget"),
		ValidArgsFunction: c.completeBudgets(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := who.name(args); err != nil {
				return err
			}
			h, err := readHistory(cmd.Context(), c, &who, &ledger, since)
			if err != nil {
				return err
			}
			if format != formatTable {
				return writeObject(cmd.OutOrStdout(), format, h)
			}
			h.write(cmd.OutOrStdout(), time.Now())
			return nil
		},
	}
	who.addFlags(cmd, c)
	ledger.addFlag(cmd)
	cmd.Flags().StringVar(&since, "since", "", "how far back, such as 24h, 7d or 12w (default: all)")
	addOutput(cmd, &format, formatTable, formatJSON, formatYAML)
	return cmd
}

// limitHistory is how a tenant's limits were changed.
type limitHistory struct {
	Tenant string `json:"tenant"`
	// Since is where the history begins; nil for the beginning.
	Since   *time.Time    `json:"since,omitempty"`
	Changes []limitChange `json:"changes"`
}

// limitChange is one change.
type limitChange struct {
	At time.Time `json:"at"`
	// Limit is empty for a change of the whole budget.
	Limit string `json:"limit,omitempty"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
	// By are who asked for it, as the API server authenticated them.
	By []string `json:"by,omitempty"`
	// Client is the field manager, a name that clients choose.
	Client          string `json:"client,omitempty"`
	Object          string `json:"object,omitempty"`
	Generation      int64  `json:"generation,omitempty"`
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

func readHistory(ctx context.Context, c *cluster, who *whose, ledger *database, since string) (limitHistory, error) {
	var from time.Time
	if since != "" {
		ago, err := parseLength(since)
		if err != nil {
			return limitHistory{}, usageError{fmt.Errorf("--since: %w", err)}
		}
		from = time.Now().Add(-ago)
	}
	reader, closeIt, err := ledger.open(ctx)
	if err != nil {
		return limitHistory{}, err
	}
	defer closeIt()
	tenant, _, err := who.find(ctx, c)
	if err != nil {
		return limitHistory{}, err
	}
	changes, err := reader.Changes(ctx, tenant, from)
	h := limitHistory{Tenant: tenant, Changes: make([]limitChange, 0, len(changes))}
	if !from.IsZero() {
		h.Since = &from
	}
	for _, change := range changes {
		h.Changes = append(h.Changes, newLimitChange(change))
	}
	return h, err
}

func newLimitChange(c history.LimitChange) limitChange {
	change := limitChange{
		At: c.At, Limit: c.Limit, From: c.From, To: c.To, By: c.By, Client: c.FieldManager,
		Generation: c.Generation, ResourceVersion: c.ResourceVersion,
	}
	if c.Budget != "" {
		change.Object = c.Namespace + "/" + c.Budget
	}
	return change
}

// write writes the history for people, the latest change last.
func (h limitHistory) write(w io.Writer, now time.Time) {
	if len(h.Changes) == 0 {
		since := ""
		if h.Since != nil {
			since = " since " + moment(*h.Since) + "; without --since, all changes are shown"
		}
		fmt.Fprintf(w, "No limit of tenant %s was changed%s.\n", h.Tenant, since)
		return
	}
	all := table{cells("AT", "AGO", "LIMIT", "BY", "CLIENT", "GENERATION", "CHANGE")}
	for _, c := range h.Changes {
		all = append(all, cells(moment(c.At), duration.HumanDuration(now.Sub(c.At)), orDash(c.Limit), orDash(strings.Join(c.By, ", ")),
			orDash(c.Client), fmt.Sprint(c.Generation), c.words()))
	}
	all.write(w)
}

// words are what was changed.
func (c limitChange) words() string {
	switch {
	case c.From == "":
		return c.To
	case c.To == "":
		return "removed: " + c.From
	}
	return c.From + " -> " + c.To
}
