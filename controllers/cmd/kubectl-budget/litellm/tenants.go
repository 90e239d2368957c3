package litellm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Bounds of resources.
const (
	maxMoneyLimits = 16
	maxRates       = 32
	maxMembers     = 1000
)

// tenant is a tenant to be, in a namespace of its name.
type tenant struct {
	name     string
	isParent bool
	models   []string  // of the team; nil for all
	each     allowance // of users without one of their own
	limits   []v1alpha1.MoneyLimit
	warnAt   int32
	blocked  bool
	rates    []v1alpha1.RateLimit
	keys     []*v1alpha1.APIKey
	members  []v1alpha1.Member

	limitNames, rateNames, keyNames, tierNames taken
	tiers                                      map[string]v1alpha1.Tier  // of keys, by their allowances
	groups                                     map[string]v1alpha1.Group // of users, by their allowances
	groupOf                                    map[string]v1alpha1.Group // by user
}

func (i *importer) newTenant(name string) *tenant {
	if isReserved.MatchString(name) || name == "" {
		name = "team-" + cmp.Or(name, "unnamed")
	}
	t := &tenant{
		name: i.namespaces.unique(name), warnAt: 80, limitNames: taken{}, rateNames: taken{}, keyNames: taken{}, tierNames: taken{standard: true},
		tiers: map[string]v1alpha1.Tier{}, groups: map[string]v1alpha1.Group{}, groupOf: map[string]v1alpha1.Group{},
	}
	i.ordered = append(i.ordered, t)
	return t
}

// addMoney adds a limit of money, of which all but amount and period are given.
func (t *tenant) addMoney(i *importer, where string, limit v1alpha1.MoneyLimit, dollars json.Number, duration string) {
	value, err := amount(dollars)
	if err != nil {
		i.note(where, "it is left out: %v", err)
		return
	}
	if len(t.limits) == maxMoneyLimits {
		i.note(where, "it is left out: a TenantBudget has at most %d limits", maxMoneyLimits)
		return
	}
	var differs string
	if limit.Period, differs = period(duration); differs != "" {
		i.note(where, "it %s", differs)
	}
	limit.Amount, limit.Name = value, t.limitNames.unique(limit.Name)
	t.limits = append(t.limits, limit)
}

// readTeams makes a tenant of each team.
func (i *importer) readTeams() error {
	teams, err := readAll(i.Teams, "teams")
	for _, team := range teams {
		id := team.text("team_id")
		if id == dashboard {
			continue
		}
		i.readTeam(team.named(cmp.Or(team.text("team_alias"), id)), id)
	}
	return err
}

// dashboard is the team of the keys with which LiteLLM's own pages ask its API.
const dashboard = "litellm-dashboard"

// notOfTeams are members of a team that need no note.
var notOfTeams = []string{"spend", "model_spend", "budget_reset_at", "created_at", "updated_at", "keys", "members", "admins", "model_id", "members_count", "keys_count",
	"team_member_permissions", "team_member_budget_table"}

func (i *importer) readTeam(team record, id string) {
	t := i.newTenant(slug(cmp.Or(team.text("team_alias"), id)))
	i.tenants[id] = t
	a := i.allowanceOf(team)
	t.addAllowance(i, team.where, "team", limited{per: v1alpha1.ScopeTenant}, a)
	t.readWarning(i, team, a.budget)
	if models, all := i.expand(team.list("models")); !all {
		t.models = models
	}
	t.blocked = team.isTrue("blocked")
	if organization := team.text("organization_id"); organization != "" {
		i.note(team.where, "its organization %s is not carried over: make a TenantBudget of it, and name it in parentRef", organization)
	}
	i.noteSpend(team)
	for _, membership := range team.parts("team_memberships") {
		user := i.userOf(membership.text("user_id"))
		if own := i.allowanceOf(membership); !own.isNone() {
			t.groupOf[user] = t.group(i, membership.where, "members", own)
		}
	}
	i.readMembers(t, team)
	i.noteUnread(team, notOfTeams...)
}

// noteSpend notes what was spent, because counters here begin at zero.
func (i *importer) noteSpend(r record) {
	if n := r.number("spend"); n != "" && n != "0" && n != "0.0" && r.number("max_budget") != "" {
		i.note(r.where, "%s of its budget is spent: it begins anew here", n)
	}
}

// readWarning reads the part of the budget at which people are alerted.
func (t *tenant) readWarning(i *importer, team record, budget json.Number) {
	soft := team.number("soft_budget")
	if soft == "" {
		return
	}
	part, okPart := new(big.Rat).SetString(string(soft))
	whole, okWhole := new(big.Rat).SetString(string(budget))
	if okPart && okWhole && whole.Sign() > 0 {
		percent, _ := new(big.Rat).Mul(new(big.Rat).Quo(part, whole), big.NewRat(100, 1)).Float64()
		if percent >= 1 && percent <= 99 {
			t.warnAt = int32(percent)
			return
		}
	}
	i.note(team.where, "soft_budget is not carried over: it is not from 1 to 99 %% of max_budget")
}

// standard is the tier of keys without an allowance of their own.
const standard = "standard"

// tier is that of keys with an allowance.
func (t *tenant) tier(i *importer, where, suggested string, a allowance) v1alpha1.Tier {
	if a.isNone() {
		return standard
	}
	if t.tiers[a.key()] == "" {
		name := v1alpha1.Tier(t.tierNames.unique(cmp.Or(slug(suggested), fmt.Sprintf("keys-%d", len(t.tiers)+1))))
		t.tiers[a.key()] = name
		t.addAllowance(i, where, string(name), limited{per: v1alpha1.ScopeKey, tiers: []v1alpha1.Tier{name}}, a)
	}
	return t.tiers[a.key()]
}

// group is that of users with an allowance.
func (t *tenant) group(i *importer, where, kind string, a allowance) v1alpha1.Group {
	if t.groups[a.key()] == "" {
		name := fmt.Sprintf("%s-%d", kind, len(t.groups)+1)
		t.groups[a.key()] = v1alpha1.Group(name)
		t.addAllowance(i, where, name, limited{per: v1alpha1.ScopeUser, groups: []v1alpha1.Group{v1alpha1.Group(name)}}, a)
	}
	return t.groups[a.key()]
}

// objects are the tenant's resources, in the order in which they are to be applied.
func (t *tenant) objects(i *importer) []client.Object {
	budget := t.budget(i)
	all := []client.Object{budget}
	names := taken{}
	for rates := range slices.Chunk(t.rates, maxRates) {
		all = append(all, &v1alpha1.RateLimitPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: names.unique("litellm"), Namespace: t.name},
			Spec:       v1alpha1.RateLimitPolicySpec{TargetRef: &v1alpha1.TargetRef{Name: budget.Name}, Limits: rates},
		})
	}
	for _, key := range t.keys {
		key.Spec.BudgetRef.Name = budget.Name
		all = append(all, key)
	}
	for members := range slices.Chunk(t.members, maxMembers) {
		all = append(all, &v1alpha1.Membership{
			ObjectMeta: metav1.ObjectMeta{Name: names.unique("litellm-members"), Namespace: t.name},
			Spec: v1alpha1.MembershipSpec{
				BudgetRef: v1alpha1.BudgetRef{Name: budget.Name}, IdentityProviderRef: v1alpha1.IdentityProviderRef{Name: i.IdentityProvider}, Members: members,
			},
		})
	}
	return all
}

// budget is the TenantBudget. It refuses at the limits, as LiteLLM does, and not before.
func (t *tenant) budget(i *importer) *v1alpha1.TenantBudget {
	b := &v1alpha1.TenantBudget{ObjectMeta: metav1.ObjectMeta{Name: t.name, Namespace: t.name}}
	b.Spec.Tenant, b.Spec.TimeZone, b.Spec.Limits, b.Spec.VirtualModels = t.name, i.zone, t.limits, i.virtual
	b.Spec.Ladder = []v1alpha1.Rung{{AtPercent: t.warnAt, Action: v1alpha1.ActionWarn}}
	hasOwn := slices.ContainsFunc(t.limits, func(l v1alpha1.MoneyLimit) bool { return cmp.Or(l.Per, v1alpha1.ScopeTenant) == v1alpha1.ScopeTenant })
	if !hasOwn && (len(t.limits) == 0 || len(t.limits) < maxMoneyLimits) {
		i.note("tenant "+t.name, "it has no budget of its own: %d a year stands in its place", maxAmount)
		b.Spec.Limits = append(slices.Clone(t.limits), v1alpha1.MoneyLimit{Name: t.limitNames.unique("none"), Period: "Year", Amount: v1alpha1.Amount(fmt.Sprintf("%d.00", maxAmount))})
	}
	if t.blocked {
		b.Spec.Breaker = &v1alpha1.Breaker{Forced: v1alpha1.BreakerOpen, Reason: "Blocked in LiteLLM."}
	}
	switch {
	case !i.main.isParent:
	case t == i.main:
		b.Spec.AllowedChildren = &v1alpha1.AllowedChildren{Namespaces: v1alpha1.Namespaces{From: v1alpha1.NamespacesAll}}
		i.note("tenant "+t.name, "budgets of all namespaces may name it as their parent: narrow allowedChildren when the teams are there")
	default:
		b.Spec.ParentRef = &v1alpha1.ParentRef{Name: i.main.name, Namespace: i.main.name}
	}
	return b
}
