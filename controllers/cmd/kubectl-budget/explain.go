package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/history"
)

func newExplain(c *cluster) *cobra.Command {
	var (
		who     whose
		ledger  database
		console console
		format  string
	)
	cmd := &cobra.Command{
		Use:   "explain CALL-ID [BUDGET]",
		Short: "Explain why a call was admitted or refused",
		Long: `Explain why a call was admitted, made with another model, or refused, and show the state
of each money limit at that moment. The id of a call is in the header x-bursar-call-id of
its response. The call is looked for in the namespace's tenants first, and then in all
others whose TenantBudgets you may read.

The amounts come from the ledger, to the second. Those of the limit that refused the call
are exact: they were recorded with the refusal.`,
		Example: `  kubectl budget explain 01900a5c-3f0e-7cc3-98c4-dc0c0c07398f -n acme
  kubectl budget explain 01900a5c-3f0e-7cc3-98c4-dc0c0c07398f
  kubectl budget explain 01900a5c-3f0e-7cc3-98c4-dc0c0c07398f --tenant acme -o yaml`,
		Args:              between(1, 2, "the id of one call, and the call's budget if you know it"),
		ValidArgsFunction: completeBudgetOfCall(c),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if err := who.name(args[1:]); err != nil {
				return err
			}
			if console.isNamed(ledger) {
				explained, err := askWhy(ctx, c, console, who, args[0])
				if err != nil {
					return err
				}
				return writeFound(cmd.OutOrStdout(), format, explained)
			}
			reader, closeIt, err := ledger.open(ctx)
			if err != nil {
				return err
			}
			defer closeIt()
			tenants, budgets, err := who.candidates(ctx, c)
			if err != nil {
				return err
			}
			call, err := findCall(ctx, reader, tenants, args[0])
			if err != nil {
				return err
			}
			explained, err := explain(ctx, reader, budgets, call)
			if err != nil {
				return err
			}
			return writeFound(cmd.OutOrStdout(), format, explained)
		},
	}
	who.addFlags(cmd, c)
	ledger.addFlag(cmd)
	console.addFlags(cmd)
	addOutput(cmd, &format, formatTable, formatJSON, formatYAML)
	return cmd
}

// askWhy asks a console what is on record of a call.
func askWhy(ctx context.Context, c *cluster, console console, who whose, id string) (*explanation, error) {
	client, err := console.open()
	if err != nil {
		return nil, err
	}
	about, err := who.about(ctx, c)
	if err != nil {
		return nil, err
	}
	var answer answeredCall
	if err := client.get(ctx, "/usage/calls/"+url.PathEscape(id), about, &answer); err != nil {
		return nil, err
	}
	call := answer.call()
	e := newExplanation(call)
	e.Unknown = append([]string{"how limits stood that did not refuse the call: the console does not say"}, unknowns(call)...)
	return e, nil
}

// completeBudgetOfCall completes the budget behind the id of a call.
func completeBudgetOfCall(c *cluster) cobra.CompletionFunc {
	budgets := c.completeBudgets(2)
	return func(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return budgets(cmd, args, prefix)
	}
}

// explanation is why a call was admitted or refused.
type explanation struct {
	Call    string    `json:"call"`
	Verdict string    `json:"verdict"`
	Why     []string  `json:"why"`
	At      time.Time `json:"at"`
	Tenant  string    `json:"tenant"`
	User    string    `json:"user"`
	Tier    string    `json:"tier"`
	APIKey  string    `json:"apiKey"`
	// IdentityProvider and Subject are those of the token, if the call was made with one.
	IdentityProvider string `json:"identityProvider,omitempty"`
	Subject          string `json:"subject,omitempty"`
	// Actor is the user of the credential, if it made the call for another, who is User.
	Actor string `json:"actor,omitempty"`
	// Groups and Labels are the caller's.
	Groups   []string          `json:"groups,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Asked    string            `json:"modelAsked"`
	Model    string            `json:"model"`
	Endpoint string            `json:"endpoint"`
	Bound    string            `json:"bound"`
	Cost     string            `json:"cost,omitempty"`
	Outcome  string            `json:"outcome,omitempty"`
	// Output is what the provider was asked for, where that was lowered.
	Output *loweredOutput `json:"output,omitempty"`
	// Price is what the cost depended on apart from tokens and their prices.
	Price *priceParts `json:"price,omitempty"`
	// Limits are the money limits that the call counted against.
	Limits []standing `json:"limits"`
	// Unknown is what cannot be known.
	Unknown []string `json:"unknown"`
}

// loweredOutput is what a call asked for whose output was lowered.
type loweredOutput struct {
	MaxTokens int64  `json:"maxTokens"`
	LoweredBy string `json:"loweredBy"`
}

// priceParts are what a cost depended on apart from tokens and their prices; empty if on
// nothing.
type priceParts struct {
	ServiceTier string `json:"serviceTier,omitempty"`
	// Properties have multiplied the cost of the tokens, by name.
	Properties map[string]string `json:"properties,omitempty"`
	// Fees are how often each thing was used that has a fee, by name.
	Fees map[string]int64 `json:"fees,omitempty"`
}

// standing is how a limit stood when the call came.
type standing struct {
	Limit string `json:"limit"`
	Per   string `json:"per"`
	// Owner is the user, group or APIKey whose figures these are; empty for those of the tenant.
	Owner  string `json:"owner,omitempty"`
	Period string `json:"period"`
	Spent  string `json:"spent"`
	Held   string `json:"held"`
	Bound  string `json:"bound"`
	Amount string `json:"amount"`
	// TripsAt is the spent amount from which on it refuses.
	TripsAt string `json:"tripsAt,omitempty"`
	// Exact is whether the figures are the limiter's own rather than the ledger's.
	Exact   bool   `json:"exact"`
	Verdict string `json:"verdict"`
}

// findCall finds a call of one of the tenants.
func findCall(ctx context.Context, reader *history.Reader, tenants []string, id string) (history.Call, error) {
	for _, tenant := range tenants {
		call, err := reader.Find(ctx, tenant, id)
		if err == nil || !errors.Is(err, history.ErrNoCall) || len(tenants) == 1 {
			return call, err
		}
	}
	return history.Call{}, fmt.Errorf("call %s, looked for in the %d tenants that you may read: %w", id, len(tenants), history.ErrNoCall)
}

// newExplanation is what is on record of a call, without how the limits stood.
func newExplanation(call history.Call) *explanation {
	e := &explanation{
		Call: call.ID, At: call.At, Tenant: call.Tenant, User: call.User, Tier: call.Tier, APIKey: call.Credential,
		IdentityProvider: call.IdentityProvider, Subject: call.Subject, Actor: call.Actor, Groups: call.Groups, Labels: call.Labels,
		Asked: call.ModelAsked, Model: call.Model, Endpoint: call.Endpoint, Bound: call.Bound.String(), Limits: []standing{},
	}
	e.print(call)
	return e
}

// explain finds out how the limits stood when a call came.
func explain(ctx context.Context, reader *history.Reader, budgets tree, call history.Call) (*explanation, error) {
	tenant := call.Tenant
	e := newExplanation(call)
	ancestors := budgets.ancestorsOf(tenant)
	if call.Admission != nil {
		ancestors = call.Admission.Ancestors
	}
	document := limiterv1.Tenant{Level: limiterv1.Level{Tenant: tenant}}
	var limits []ownedLimit
	for i, level := range append([]string{tenant}, ancestors...) {
		found, err := reader.LimitsAt(ctx, level, call.At)
		if err != nil {
			return nil, err
		}
		above := limiterv1.Level{Tenant: level}
		for _, limit := range found {
			if !limit.Selects(call.Caller(), call.Model) || i > 0 && limit.Per != limiterv1.PerTenant {
				continue
			}
			for _, owner := range limit.Owners(limit.Per, call.Caller()) {
				limits = append(limits, ownedLimit{limit.For(owner, call.At), owner})
			}
			above.Money = append(above.Money, limit.MoneyLimit)
		}
		if i > 0 {
			document.Ancestors = append(document.Ancestors, above)
		}
	}
	family := history.Family(document, budgets.budgets)
	for _, limit := range limits {
		spent, held, err := reader.Standing(ctx, limit.Limit, limit.owner, call, family...)
		if err != nil {
			return nil, err
		}
		e.Limits = append(e.Limits, stood(call, limit, spent, held))
	}
	e.Unknown = append(budgets.unknown(document), unknowns(call)...)
	return e, nil
}

// ownedLimit is a limit, and the owner whose figures are looked at.
type ownedLimit struct {
	history.Limit
	owner limiterv1.Owner
}

// stood is how a limit stood, and whether it refused the call.
func stood(call history.Call, limit ownedLimit, spent, held money.Nanos) standing {
	s := standing{Limit: limit.Tenant + "/" + limit.Name, Per: string(limit.Per), Owner: limit.owner.Name(), Period: string(limit.Period), Amount: limit.Amount.String(), Bound: call.Bound.String()}
	r := call.Refusal
	if s.Exact = r != nil && r.Tenant == limit.Tenant && r.Limit == limit.Name && r.Group == limit.owner.Group && r.Unit == ""; s.Exact {
		spent, held, limit.Amount = r.Spent, r.Held, r.Amount
		s.Amount = r.Amount.String()
	}
	s.Spent, s.Held = spent.String(), held.String()
	if limit.Trip != nil {
		s.TripsAt = limit.Trip.String()
	}
	refuses, tripped := limit.Refuses(spent, held, call.Bound)
	switch {
	case call.Bound == 0:
		s.Verdict = "not checked: the call could cost nothing"
	case s.Exact:
		s.Verdict = "refused: " + string(r.Reason)
	case tripped:
		s.Verdict = "its Trip rung was reached"
	case refuses:
		s.Verdict = "has too little left"
	default:
		s.Verdict = "fits"
	}
	return s
}

// print says what became of the call, and why.
func (e *explanation) print(call history.Call) {
	if r := call.Refusal; r != nil {
		e.Verdict = "refused"
		e.Why = append(e.Why, whyRefused(call, r))
		if r.Fallback != "" {
			e.Verdict = "refused, and answered by " + string(r.Fallback)
			e.Why = append(e.Why, "The fallback "+string(r.Fallback)+" answered in its place.")
		}
	}
	a := call.Admission
	if a == nil {
		return
	}
	e.Outcome, e.Cost = string(a.Outcome), a.Cost.String()
	if call.Refusal == nil {
		e.Verdict = "admitted"
	}
	switch a.Decision {
	case ledgerv1.Admitted:
		e.Why = append(e.Why, "Every limit had room for the call's bound, and the requested model was called.")
	case ledgerv1.Replaced:
		e.Verdict = "admitted with another model"
		e.Why = append(e.Why, fmt.Sprintf("It asked for %s and was made with %s, which a Downgrade rung that was reached puts in its place.",
			call.ModelAsked, call.Model))
	case ledgerv1.Chosen:
		e.Verdict = "admitted with a model of a virtual model"
		e.Why = append(e.Why, fmt.Sprintf("It asked for %s, a virtual model (virtualModels), and was made with %s, the first of its models whose call fitted into the limits.",
			call.ModelAsked, call.Model))
	case ledgerv1.Fallback:
		e.Why = append(e.Why, fmt.Sprintf("A money limit refused the call to %s; the fallback CheapestModel made it with %s, which no rung replaces.", call.ModelAsked, call.Model))
	case ledgerv1.Shadowed:
		e.Verdict = "admitted in Shadow"
		e.Why = append(e.Why, "A limit would have refused it, but the budget of the limit is in Shadow, which refuses nothing.")
	case ledgerv1.Bounded:
		e.Verdict = "admitted from the reserve"
		e.Why = append(e.Why, "Redis was unavailable: the call was admitted from the enforcer's reserve, and limits were not checked.")
	}
	switch a.Outcome {
	case ledgerv1.Settled:
		e.Why = append(e.Why, fmt.Sprintf("Its hold was settled at %s for what the provider reported, %d tokens.", moment(a.SettledAt), a.Tokens))
	case ledgerv1.Voided:
		e.Why = append(e.Why, "It cost nothing: it was not sent, or the provider refused it.")
	case ledgerv1.ChargedSeen:
		e.Why = append(e.Why, fmt.Sprintf("Its answer was cut off at %s, by the provider or as the client disconnected: it was charged the most that it can have cost by what was seen of the answer, %d tokens.",
			moment(a.SettledAt), a.Tokens))
	case ledgerv1.ChargedHold:
		e.Why = append(e.Why, "It was charged the whole hold: its usage was not reported, or is not believed (the enforcer's log says why), or its answer was cut off and can have cost as much.")
	}
	e.explainOutput(a)
	e.explainPrice(a)
	if a.PricedAs == ledgerv1.MostExpensive {
		e.Why = append(e.Why, fmt.Sprintf("No ModelProvider listed %s: it was priced as the most expensive model of %s, so the provider's bill may differ.", call.Model, a.Provider))
	}
	if a.Overrun > 0 {
		e.Why = append(e.Why, fmt.Sprintf("The provider reported %s more than its own bounds allow.", a.Overrun))
	}
}

// explainOutput says that the call asked for less output than its caller had wanted.
func (e *explanation) explainOutput(a *history.Admission) {
	if a.LoweredBy == "" {
		return
	}
	e.Output = &loweredOutput{MaxTokens: a.MaxOutputTokens, LoweredBy: string(a.LoweredBy)}
	why := "outputCaps of its budget, or of a parent's, allow no more"
	if a.LoweredBy == ledgerv1.LoweredByFit {
		why = "no more had room in the limits (fit)"
	}
	e.Why = append(e.Why, fmt.Sprintf("The provider was asked for %d output tokens at most: %s.", a.MaxOutputTokens, why))
}

// explainPrice says what the cost depended on apart from tokens and their prices.
func (e *explanation) explainPrice(a *history.Admission) {
	properties, _ := a.Properties.Values() // unreadable ones are left out
	uses, _ := a.Uses.Counts()
	maps.DeleteFunc(properties, func(_, value string) bool { return value == "" })
	if a.ServiceTier == "" && len(properties) == 0 && len(uses) == 0 {
		return
	}
	e.Price = &priceParts{ServiceTier: string(a.ServiceTier), Properties: properties, Fees: uses}
	var parts []string
	if a.ServiceTier != "" {
		parts = append(parts, "service tier "+string(a.ServiceTier))
	}
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		parts = append(parts, fmt.Sprintf("the multiplier of %s %s", name, properties[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		parts = append(parts, fmt.Sprintf("%d times the fee %s", uses[name], name))
	}
	e.Why = append(e.Why, "Its price includes "+strings.Join(parts, ", ")+".")
}

func whyRefused(call history.Call, r *history.LimitRefusal) string {
	limit := r.Tenant + "/" + r.Limit
	if r.Group != "" {
		limit += " of group " + r.Group
	}
	switch r.Reason {
	case ledgerv1.BreakerForced:
		return fmt.Sprintf("The breaker of tenant %s was forced open: spec.breaker.forced.", r.Tenant)
	case ledgerv1.BreakerOpen:
		return fmt.Sprintf("Limit %s had reached its Trip rung: %s of %s spent. %s", limit, r.Spent, r.Amount, turn(r.ResetsAt))
	case ledgerv1.BudgetExhausted:
		if call.Bound > r.Amount && r.Spent < r.Amount {
			return fmt.Sprintf("Limit %s never fits the call, whose bound of %s is more than its whole amount, %s: lower the output that it asks for (max_tokens), or raise the limit.",
				limit, call.Bound, r.Amount)
		}
		return fmt.Sprintf("Limit %s had too little left: %s spent, %s held and the call's bound of %s are more than %s. %s",
			limit, r.Spent, r.Held, call.Bound, r.Amount, turn(r.ResetsAt))
	case ledgerv1.RateLimited:
		if r.Unit == limiterv1.InFlight {
			return fmt.Sprintf("Rate limit %s: the allowed number of calls per %s was already in flight.", limit, strings.ToLower(string(r.Per)))
		}
		return fmt.Sprintf("Rate limit %s of %s per %s had too little left; it had enough %s later.", limit, r.Unit, strings.ToLower(string(r.Per)), r.RetryAfter)
	case ledgerv1.TooLarge:
		return fmt.Sprintf("Rate limit %s never fits the %d tokens that the call might have used: lower the output that it asks for (max_tokens), or raise the limit's tokens or burst.", limit, r.Tokens)
	}
	return string(r.Reason)
}

// turn is when a period turns, or did.
func turn(at time.Time) string {
	if at.After(time.Now()) {
		return "Its next period begins at " + moment(at) + "."
	}
	return "Its next period began at " + moment(at) + "."
}

// unknowns are what is not on record anywhere.
func unknowns(call history.Call) []string {
	unknown := []string{"how full the buckets of rate limits were at that moment"}
	if time.Since(call.At) < time.Hour {
		unknown = append(unknown, "what open calls hold: the ledger has them once they end")
	}
	return unknown
}

// write writes the explanation for people.
func (e *explanation) write(w io.Writer) {
	shade := green
	if strings.HasPrefix(e.Verdict, "refused") {
		shade = red
	}
	facts := table{
		{{"CALL", bold}, {e.Call, plain}},
		{{"VERDICT", bold}, {e.Verdict, shade}},
		{{"AT", bold}, {e.At.UTC().Format("2006-01-02T15:04:05.000Z07:00"), plain}},
		{{"CALLER", bold}, {e.caller(), plain}},
		{{"MODEL", bold}, {e.model(), plain}},
		{{"MONEY", bold}, {e.money(), plain}},
	}
	facts.write(w)
	fmt.Fprintln(w)
	for _, why := range e.Why {
		fmt.Fprintln(w, why)
	}
	if len(e.Limits) > 0 {
		fmt.Fprintln(w)
		e.limits().write(w)
	}
	writeUnknown(w, e.Unknown)
}

func (e *explanation) caller() string {
	with := "APIKey " + e.APIKey
	if e.IdentityProvider != "" {
		with = fmt.Sprintf("a token of IdentityProvider %s, subject %s", e.IdentityProvider, e.Subject)
	}
	if e.Actor != "" {
		with = fmt.Sprintf("named by %s, who acts for others with %s", e.Actor, with)
	} else {
		with = "with " + with
	}
	groups := ""
	if len(e.Groups) > 0 {
		groups = ", groups " + strings.Join(e.Groups, ", ")
	}
	return fmt.Sprintf("user %s, tier %s%s, of tenant %s, %s", e.User, orDash(e.Tier), groups, e.Tenant, with)
}

func (e *explanation) model() string {
	if e.Asked == e.Model {
		return e.Model + " at " + e.Endpoint
	}
	return fmt.Sprintf("%s, instead of %s, at %s", e.Model, e.Asked, e.Endpoint)
}

func (e *explanation) money() string {
	if e.Cost == "" {
		return fmt.Sprintf("bound %s", e.Bound)
	}
	return fmt.Sprintf("bound %s, cost %s (%s)", e.Bound, e.Cost, e.Outcome)
}

// ownerShown is the owner of a limit of which a caller may have several.
func ownerShown(l standing) string {
	if l.Per == string(limiterv1.PerGroup) {
		return l.Owner
	}
	return ""
}

func (e *explanation) limits() table {
	all := table{cells("LIMIT", "PER", "PERIOD", "SPENT", "HELD", "BOUND", "AMOUNT", "TRIPS AT", "VERDICT")}
	for _, l := range e.Limits {
		row := cells(l.Limit, strings.TrimSpace(l.Per+" "+ownerShown(l)), l.Period, l.Spent, l.Held, l.Bound, l.Amount, orDash(l.TripsAt))
		shade := plain
		if l.Exact {
			shade = red
		}
		all = append(all, append(row, cell{l.Verdict, shade}))
	}
	return all
}
