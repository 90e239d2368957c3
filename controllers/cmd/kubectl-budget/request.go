package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// newRequest makes the commands about requests for more, which a console keeps.
func newRequest(c *cluster) *cobra.Command {
	root := groups(&cobra.Command{Use: "request", Short: "Ask for more of a limit, and decide what others ask for"})
	root.AddCommand(
		newRequestMake(c), newRequestList(c),
		newRequestApprove(c),
		newRequestDecide(c, "decline", "Decline a request", func(map[string]any) error { return nil }),
	)
	return root
}

// budgetRequest is a request for more.
type budgetRequest struct {
	ID          string           `json:"id"`
	Tenant      string           `json:"tenant"`
	User        string           `json:"user"`
	RequestedBy string           `json:"requestedBy,omitempty"`
	Limit       string           `json:"limit"`
	Amount      string           `json:"amount"`
	Reason      string           `json:"reason"`
	ExpiresAt   time.Time        `json:"expiresAt"`
	RequestedAt time.Time        `json:"requestedAt"`
	State       string           `json:"state"`
	Decision    *requestDecision `json:"decision,omitempty"`
}

// requestDecision is what became of a request.
type requestDecision struct {
	By        string    `json:"by,omitempty"`
	At        time.Time `json:"at"`
	Reason    string    `json:"reason,omitempty"`
	Namespace string    `json:"namespace,omitempty"`
	Grant     string    `json:"grant,omitempty"`
	// Amount is how much more was granted, and ExpiresAt until when, if the request was approved.
	Amount    string     `json:"amount,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Granted   bool       `json:"granted"`
}

// write writes the request for people.
func (r budgetRequest) write(w io.Writer) {
	facts := table{
		cells("REQUEST", r.ID), cells("STATE", r.State), cells("TENANT", r.Tenant), cells("USER", r.User),
		cells("LIMIT", r.Limit), cells("MORE", r.Amount), cells("UNTIL", moment(r.ExpiresAt)), cells("REASON", r.Reason),
	}
	for _, fact := range []struct{ name, text string }{
		{"DECIDED", r.Decision.decided()}, {"ANSWER", r.Decision.answer()}, {"GRANT", r.Decision.grant()}, {"GRANTED", r.Decision.granted()},
	} {
		if fact.text != "" {
			facts = append(facts, cells(fact.name, fact.text))
		}
	}
	facts.write(w)
}

// decided is when a request was decided and, for admins, by whom; empty if it was not decided.
func (d *requestDecision) decided() string {
	if d == nil {
		return ""
	}
	return strings.TrimSuffix(moment(d.At)+" by "+d.By, " by ")
}

// answer is what the admin who decided told the user who had asked; empty for nothing.
func (d *requestDecision) answer() string {
	if d == nil {
		return ""
	}
	return d.Reason
}

// grant is the BudgetGrant that was made; empty for none.
func (d *requestDecision) grant() string {
	if d == nil || d.Grant == "" {
		return ""
	}
	return d.Namespace + "/" + d.Grant
}

// granted is what was granted, and until when, which may differ from what was asked for; empty for
// nothing.
func (d *requestDecision) granted() string {
	if d == nil || d.Amount == "" || d.ExpiresAt == nil {
		return ""
	}
	return d.Amount + " until " + moment(*d.ExpiresAt)
}

func newRequestMake(c *cluster) *cobra.Command {
	var o consoleOptions
	var limit, amount, expires, reason string
	cmd := &cobra.Command{
		Use:   "make --limit LIMIT --amount AMOUNT --expires WHEN --reason REASON",
		Short: "Ask for more of a limit",
		Long: `Ask the admins of your tenant for more of a limit, until a given time and for a reason.
Everyone who gets the tenant's alerts is told of the request. Without --tenant, the request
goes to the tenant that you belong to.`,
		Example: `  kubectl budget request make --limit each-user --amount 5.00 --expires 7d --reason "the launch"`,
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit == "" || amount == "" || expires == "" || strings.TrimSpace(reason) == "" {
				return usageError{errors.New("--limit, --amount, --expires and --reason are required")}
			}
			until, err := parseExpiry(expires, time.Now())
			if err != nil {
				return err
			}
			client, about, err := o.open(cmd, c)
			if err != nil {
				return err
			}
			asked := map[string]any{"limit": limit, "amount": amount, "reason": reason, "expiresAt": until}
			var made budgetRequest
			if err := client.post(cmd.Context(), "/requests", about, asked, &made); err != nil {
				return err
			}
			return writeFound(cmd.OutOrStdout(), o.format, made)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&limit, "limit", "", "name of a limit per User, which is raised for you alone, or of a limit per Tenant")
	flags.StringVar(&amount, "amount", "", "how much more in each of the limit's periods, in the budget's currency")
	flags.StringVar(&expires, "expires", "", "until when: a time such as 2027-01-31T00:00:00Z, or a duration from now, such as 24h or 7d")
	flags.StringVar(&reason, "reason", "", "reason, in one line")
	o.addFlags(cmd, c)
	return cmd
}

// requestList are requests, newest first.
type requestList struct {
	Tenant   string          `json:"tenant"`
	Requests []budgetRequest `json:"requests"`
	// More is whether there are more requests than are listed.
	More bool `json:"more"`
}

func (l requestList) write(w io.Writer) {
	if len(l.Requests) == 0 {
		fmt.Fprintf(w, "No such requests of tenant %s that you may see.\n", l.Tenant)
		return
	}
	all := table{cells("REQUEST", "AT", "USER", "LIMIT", "MORE", "UNTIL", "REASON", "STATE", "GRANTED", "DECIDED", "ANSWER")}
	for _, r := range l.Requests {
		all = append(all, cells(
			r.ID, moment(r.RequestedAt), r.User, r.Limit, r.Amount, moment(r.ExpiresAt), r.Reason, r.State,
			orDash(r.Decision.granted()), orDash(r.Decision.decided()), orDash(r.Decision.answer()),
		))
	}
	all.write(w)
	if l.More {
		fmt.Fprintln(w, "There are more: raise --limit.")
	}
}

func newRequestList(c *cluster) *cobra.Command {
	var o consoleOptions
	var open bool
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List requests for more: your own or, as an admin, those of the tenant",
		Long: `List requests for more, newest first: your own or, as an admin, those of the tenant. MORE
and UNTIL are what was asked for; GRANTED is what was granted, which may differ. DECIDED
says when and, to admins, by whom. ANSWER is the reason that was given.`,
		Example: `  kubectl budget request list --open
  kubectl budget request list --tenant acme -o json`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, about, err := o.open(cmd, c)
			if err != nil {
				return err
			}
			about.Set("open", strconv.FormatBool(open))
			about.Set("limit", strconv.Itoa(limit))
			var page struct {
				requestList
				Next string
			}
			if err := client.get(cmd.Context(), "/requests", about, &page); err != nil {
				return err
			}
			page.More = page.Next != ""
			return writeFound(cmd.OutOrStdout(), o.format, page.requestList)
		},
	}
	cmd.Flags().BoolVar(&open, "open", false, "only requests that nobody has decided")
	cmd.Flags().IntVar(&limit, "limit", 50, "how many requests to list at most, up to 1000")
	o.addFlags(cmd, c)
	return cmd
}

// newRequestApprove makes the command that grants what is asked for, or another amount.
func newRequestApprove(c *cluster) *cobra.Command {
	var amount, expires string
	cmd := newRequestDecide(c, "approve", "Approve a request, which makes a BudgetGrant of it", func(decision map[string]any) error {
		until, err := parseExpiry(expires, time.Now())
		if err != nil {
			return err
		}
		if until != nil {
			decision["expiresAt"] = until
		}
		if amount != "" {
			decision["amount"] = amount
		}
		return nil
	})
	cmd.Example += `
  kubectl budget request approve 0b8e0f0e-6a0f-4c0c-9d1c-0f8c1d6b9f3a --amount 2.00 --expires 24h --reason "half of it, for today"`
	cmd.Flags().StringVar(&amount, "amount", "", "how much more to grant in each of the limit's periods (default: as requested)")
	cmd.Flags().StringVar(&expires, "expires", "", "end of the grant: a time such as 2027-01-31T00:00:00Z, or a duration from now, such as 24h or 7d (default: as requested)")
	return cmd
}

// newRequestDecide makes the command that approves or declines a request. add adds to what the console
// is told beside the reason.
func newRequestDecide(c *cluster, what, short string, add func(decision map[string]any) error) *cobra.Command {
	var o consoleOptions
	var reason string
	cmd := &cobra.Command{
		Use:     what + " REQUEST-ID",
		Short:   short,
		Long:    short + ". Admins of the tenant decide about limits per User, admins of the platform about all.",
		Example: "  kubectl budget request " + what + ` 0b8e0f0e-6a0f-4c0c-9d1c-0f8c1d6b9f3a --tenant acme --reason "until the launch"`,
		Args:    exactly(1, "the id of one request"),
		RunE: func(cmd *cobra.Command, args []string) error {
			decision := map[string]any{"reason": reason}
			if err := add(decision); err != nil {
				return err
			}
			client, about, err := o.open(cmd, c)
			if err != nil {
				return err
			}
			var decided struct {
				budgetRequest
				Warnings []string `json:"warnings"`
			}
			if err := client.ask(cmd.Context(), http.MethodPost, "/requests/"+url.PathEscape(args[0])+"/"+what, about, decision, &decided); err != nil {
				return err
			}
			for _, warning := range decided.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "Warning:", warning)
			}
			return writeFound(cmd.OutOrStdout(), o.format, decided.budgetRequest)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "what to tell the person who asked, in one line")
	o.addFlags(cmd, c)
	return cmd
}
