package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// newLimits makes the command that asks a console how the user's own limits stand.
func newLimits(c *cluster) *cobra.Command {
	var o consoleOptions
	var user string
	cmd := &cobra.Command{
		Use:   "limits [BUDGET]",
		Short: "Show the limits that your calls count against, and what is left of them",
		Long: `Show the limits that your calls count against: money limits with what is spent and left,
and limits of requests, tokens and calls in flight. They are the limits of your tenant, of
you, your groups and your API key, of the tenants above, and of policies that select the
tenant by its labels. The figures come from a console. Without a budget or --tenant, they
are about the tenant that you belong to.`,
		Example: `  kubectl budget limits
  kubectl budget limits --tenant acme --user ana@example.com`,
		Args:              between(0, 1, "at most one budget"),
		ValidArgsFunction: c.completeBudgets(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.name(args); err != nil {
				return err
			}
			client, about, err := o.open(cmd, c)
			if err != nil {
				return err
			}
			if user != "" {
				about.Set("user", user)
			}
			var limits standingLimits
			if err := client.get(cmd.Context(), "/limits", about, &limits); err != nil {
				return err
			}
			return writeFound(cmd.OutOrStdout(), o.format, limits)
		},
	}
	cmd.Flags().StringVar(&user, "user", "", "whose limits per user to show, for admins (default: yours)")
	o.addFlags(cmd, c)
	return cmd
}

// standingLimits are limits, and how they stand.
type standingLimits struct {
	Tenant string          `json:"tenant"`
	User   string          `json:"user"`
	Tier   string          `json:"tier,omitempty"`
	AsOf   time.Time       `json:"asOf"`
	Money  []standingMoney `json:"money"`
	Rates  []standingRate  `json:"rates"`
}

// standingMoney is how a money limit stands. Amounts that the console does not tell are
// nil.
type standingMoney struct {
	Name     string        `json:"name"`
	Tenant   string        `json:"tenant"`
	Per      string        `json:"per"`
	Group    string        `json:"group,omitempty"`
	APIKey   string        `json:"apiKey,omitempty"`
	Period   string        `json:"period"`
	Amount   *consoleMoney `json:"amount,omitempty"`
	Spent    *consoleMoney `json:"spent,omitempty"`
	Left     *consoleMoney `json:"left,omitempty"`
	Percent  *int64        `json:"percent,omitempty"`
	ResetsAt time.Time     `json:"resetsAt"`
}

// consoleMoney is an amount as a console has it.
type consoleMoney struct {
	USD string `json:"usd"`
}

func (m *consoleMoney) String() string {
	if m == nil {
		return "-"
	}
	return m.USD
}

// standingRate is a limit of requests, tokens or calls at once.
type standingRate struct {
	Name   string `json:"name"`
	Tenant string `json:"tenant"`
	Policy string `json:"policy"`
	Per    string `json:"per"`
	Unit   string `json:"unit"`
	Amount int64  `json:"amount"`
	Window string `json:"window,omitempty"`
	Left   *int64 `json:"left,omitempty"`
}

func (l standingLimits) write(w io.Writer) {
	all := table{cells("LIMIT", "TENANT", "PER", "PERIOD", "SPENT (USD)", "LEFT (USD)", "AMOUNT (USD)", "USED", "RESETS")}
	for _, m := range l.Money {
		per, used := m.Per, "-"
		if m.Group+m.APIKey != "" {
			per += " " + m.Group + m.APIKey
		}
		if m.Percent != nil {
			used = fmt.Sprintf("%d%%", *m.Percent)
		}
		all = append(all, cells(m.Name, m.Tenant, per, m.Period, m.Spent.String(), m.Left.String(), m.Amount.String(), used, moment(m.ResetsAt)))
	}
	if len(l.Money) > 0 {
		all.write(w)
	} else {
		fmt.Fprintf(w, "No limit of money of tenant %s counts these calls.\n", l.Tenant)
	}
	if len(l.Rates) == 0 {
		return
	}
	fmt.Fprintln(w)
	all = table{cells("RATE LIMIT", "TENANT", "POLICY", "PER", "ALLOWS", "LEFT")}
	for _, r := range l.Rates {
		allows, left := fmt.Sprint(r.Amount, " ", r.Unit), "-"
		if r.Window != "" {
			allows += " per " + r.Window
		}
		if r.Left != nil {
			left = fmt.Sprint(*r.Left)
		}
		all = append(all, cells(r.Name, r.Tenant, r.Policy, r.Per, allows, left))
	}
	all.write(w)
}
