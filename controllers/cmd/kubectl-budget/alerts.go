package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/history"
)

// alertOptions are the flags of alerts.
type alertOptions struct {
	whose
	open   bool
	limit  int
	id     string
	format string
	ledger database
}

func newAlerts(c *cluster) *cobra.Command {
	var o alertOptions
	cmd := &cobra.Command{
		Use:   "alerts [BUDGET]",
		Short: "List the alerts of a tenant, and who was told of one",
		Long: `List the alerts of a tenant, newest first: rungs that were reached, and what else people were
told of. With --alert, show one, with who was told of it, and which deliveries failed.

STATE is Open while its cause lasts, or else why it ended. Acknowledged and Muted are
set in the console.`,
		Example: `  kubectl budget alerts acme -n acme --open
  kubectl budget alerts --tenant acme --alert 0b8e0f0e-6a0f-4c0c-9d1c-0f8c1d6b9f3a`,
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
	o.addFlags(cmd, c)
	o.ledger.addFlag(cmd)
	cmd.Flags().BoolVar(&o.open, "open", false, "only alerts whose cause lasts")
	cmd.Flags().IntVar(&o.limit, "limit", 50, "how many alerts to list at most, up to 1000")
	cmd.Flags().StringVar(&o.id, "alert", "", "the id of one alert")
	addOutput(cmd, &o.format, formatTable, formatJSON, formatYAML)
	return cmd
}

// alertList are alerts of a tenant; of one alone, also its deliveries.
type alertList struct {
	Tenant string        `json:"tenant"`
	Alerts []listedAlert `json:"alerts"`
	// More is whether there are more alerts than are listed.
	More       bool             `json:"more"`
	Deliveries []listedDelivery `json:"deliveries,omitempty"`

	isOne bool
	// which are those that are listed: empty for all.
	which string
}

// listedAlert is an alert. Amounts are US dollars.
type listedAlert struct {
	ID             string     `json:"id"`
	RaisedAt       time.Time  `json:"raisedAt"`
	Limit          string     `json:"limit,omitempty"`
	Whose          string     `json:"whose"`
	Action         string     `json:"action"`
	AtPercent      int32      `json:"atPercent"`
	Spent          string     `json:"spentUSD"`
	Amount         string     `json:"amountUSD"`
	Message        string     `json:"message"`
	NotTold        bool       `json:"notTold"`
	ResolvedAt     *time.Time `json:"resolvedAt,omitempty"`
	Resolution     string     `json:"resolution,omitempty"`
	AcknowledgedAt *time.Time `json:"acknowledgedAt,omitempty"`
	AcknowledgedBy string     `json:"acknowledgedBy,omitempty"`
	MutedUntil     *time.Time `json:"mutedUntil,omitempty"`
	MutedBy        string     `json:"mutedBy,omitempty"`
}

// listedDelivery is what a recipient was told, or is to be.
type listedDelivery struct {
	Recipient string     `json:"recipient"`
	Resolves  bool       `json:"resolves"`
	State     string     `json:"state"`
	At        *time.Time `json:"at,omitempty"`
	Attempts  int        `json:"attempts"`
	LastError string     `json:"lastError,omitempty"`
}

// run reads what the options ask for.
func (o *alertOptions) run(ctx context.Context, c *cluster, now time.Time) (list alertList, err error) {
	if o.limit < 1 || o.limit > 1000 {
		return list, usageError{errors.New("--limit must be between 1 and 1000")}
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
	list = alertList{Tenant: tenant, Alerts: []listedAlert{}, isOne: o.id != ""}
	if o.open {
		list.which = " open"
	}
	as := history.As{Tenant: tenant, Admin: true}
	if list.isOne {
		alert, deliveries, err := reader.Alert(ctx, as, o.id, now)
		if errors.Is(err, history.ErrNoAlert) {
			return list, fmt.Errorf("tenant %s has no alert %s", tenant, o.id)
		}
		for _, d := range deliveries {
			list.Deliveries = append(list.Deliveries, newListedDelivery(d))
		}
		list.Alerts = append(list.Alerts, newListedAlert(alert))
		return list, err
	}
	alerts, next, err := reader.Alerts(ctx, as, history.AlertQuery{OpenOnly: o.open, Limit: o.limit, Now: now})
	for _, alert := range alerts {
		list.Alerts = append(list.Alerts, newListedAlert(alert))
	}
	list.More = next != ""
	return list, err
}

func newListedAlert(a history.Alert) listedAlert {
	l := listedAlert{
		ID: a.ID, RaisedAt: a.RaisedAt, Limit: a.Limit, Whose: "tenant", Action: a.Action, AtPercent: a.AtPercent, Spent: a.Spent.String(), Amount: a.Amount.String(),
		Message: a.Message, NotTold: a.Muted, ResolvedAt: a.ResolvedAt, Resolution: a.Resolution,
	}
	if !a.Owner.IsTenant() {
		l.Whose = a.Owner.String()
	}
	if seen := a.Acknowledged; seen != nil {
		l.AcknowledgedAt, l.AcknowledgedBy = &seen.At, seen.By
	}
	if muting := a.Muting; muting != nil {
		l.MutedUntil, l.MutedBy = &muting.Until, muting.By
	}
	return l
}

func newListedDelivery(d history.AlertDelivery) listedDelivery {
	l := listedDelivery{Recipient: d.Name(), Resolves: d.Resolves, State: "Waiting", At: &d.NextAttemptAt, Attempts: d.Attempts, LastError: d.LastError}
	switch {
	case d.DeliveredAt != nil:
		l.State, l.At = "Delivered", d.DeliveredAt
	case d.AbandonedAt != nil:
		l.State, l.At = "Abandoned", d.AbandonedAt
	}
	return l
}

func (l alertList) write(w io.Writer) {
	if len(l.Alerts) == 0 {
		fmt.Fprintf(w, "Tenant %s has no%s alerts. Alerts for limits per User, Group or Key are raised within a minute after the call.\n", l.Tenant, l.which)
		return
	}
	all := table{cells("RAISED", "ALERT", "LIMIT", "WHOSE", "ACTION", "AT", "SPENT (USD)", "AMOUNT (USD)", "STATE")}
	for _, a := range l.Alerts {
		row := []string{moment(a.RaisedAt), a.ID, orDash(a.Limit), a.Whose, a.Action}
		all = append(all, cells(append(append(row, a.figures()...), a.state())...))
	}
	all.write(w)
	if l.isOne {
		l.writeDeliveries(w)
	}
	if l.More {
		fmt.Fprintln(w, "\nThere are more: raise --limit, or see --open.")
	}
}

func (l alertList) writeDeliveries(w io.Writer) {
	fmt.Fprintf(w, "\n%s.\n\n", l.Alerts[0].Message)
	if len(l.Deliveries) == 0 {
		fmt.Fprintln(w, "Nobody was told.")
		return
	}
	all := table{cells("RECIPIENT", "SAYS", "STATE", "AT", "ATTEMPTS", "LAST ERROR")}
	for _, d := range l.Deliveries {
		says := "raised"
		if d.Resolves {
			says = "resolved"
		}
		all = append(all, cells(d.Recipient, says, d.State, moment(*d.At), fmt.Sprint(d.Attempts), orDash(d.LastError)))
	}
	all.write(w)
}

// figures are the rung, what was spent, and the limit's amount. An alert about no limit has at
// most what was spent; one about a request for more has only the amount that is asked for.
func (a listedAlert) figures() []string {
	switch {
	case a.Action == string(ledgerv1.Requested), a.Action == string(ledgerv1.RequestDecided):
		return []string{"-", "-", a.Amount}
	case a.Limit != "":
		return []string{fmt.Sprintf("%d%%", a.AtPercent), a.Spent, a.Amount}
	case a.Spent == money.Nanos(0).String():
		return []string{"-", "-", "-"}
	}
	return []string{"-", a.Spent, "-"}
}

// state is the state of an alert, and what people have said about it.
func (a listedAlert) state() string {
	state := "Open"
	if a.ResolvedAt != nil {
		state = a.Resolution
	}
	if a.AcknowledgedAt != nil {
		state += ", Acknowledged"
	}
	if a.MutedUntil != nil {
		state += ", Muted until " + moment(*a.MutedUntil)
	}
	if a.NotTold {
		state += ", not told"
	}
	return state
}
