package litellm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// allowance is what a team, a key, a user or a member of a team may use.
type allowance struct {
	budget                       json.Number
	duration                     string
	tokens, requests, concurrent int64
	// models are budgets by model, and modelTokens and modelRequests rates by model.
	models                     map[string]modelBudget
	modelTokens, modelRequests map[string]int64
}

type modelBudget struct {
	amount   json.Number
	duration string
}

// isNone is whether it limits nothing.
func (a allowance) isNone() bool {
	return a.budget == "" && a.tokens == 0 && a.requests == 0 && a.concurrent == 0 && len(a.models)+len(a.modelTokens)+len(a.modelRequests) == 0
}

// key is the same for equal allowances.
func (a allowance) key() string {
	return fmt.Sprint(a.budget, a.duration, a.tokens, a.requests, a.concurrent, a.models, a.modelTokens, a.modelRequests)
}

// allowanceOf is what a record allows. If it names a budget and says nothing itself, that is
// what the budget allows.
func (i *importer) allowanceOf(r record) allowance {
	metadata := r.part("metadata")
	a := allowance{
		budget: r.number("max_budget"), duration: r.text("budget_duration"),
		tokens: r.whole("tpm_limit"), requests: r.whole("rpm_limit"), concurrent: r.whole("max_parallel_requests"),
		models: modelBudgets(r.part("model_max_budget")), modelTokens: rates(metadata.part("model_tpm_limit")), modelRequests: rates(metadata.part("model_rpm_limit")),
	}
	if id := r.text("budget_id"); id != "" && a.isNone() {
		if there, found := i.budgets[id]; found {
			return i.allowanceOf(there)
		}
		i.note(r.where, "its budget %s is in none of the files of --budgets", id)
	}
	if own := r.part("litellm_budget_table"); a.isNone() && len(own.members) > 0 {
		return i.allowanceOf(own)
	}
	for _, name := range metadata.unread(notOfMetadata...) {
		i.note(r.where, "metadata.%s is not carried over", name)
	}
	return a
}

// notOfMetadata is what LiteLLM itself stores in metadata.
var notOfMetadata = []string{"logging", "team_member_budget_id", "created_by", "scim_active"}

func modelBudgets(of record) map[string]modelBudget {
	all := map[string]modelBudget{}
	for _, model := range of.names() {
		part := of.part(model)
		b := modelBudget{part.number("budget_limit"), part.text("time_period")}
		if b.amount == "" {
			b = modelBudget{part.number("max_budget"), part.text("budget_duration")}
		}
		if b.amount != "" {
			all[model] = b
		}
	}
	return all
}

func rates(of record) map[string]int64 {
	all := map[string]int64{}
	for _, model := range of.names() {
		if n := of.whole(model); n > 0 {
			all[model] = n
		}
	}
	return all
}

// limited are the callers that a limit counts: those of a tier by key, those of a group by
// user, or all.
type limited struct {
	per    v1alpha1.Scope
	tiers  []v1alpha1.Tier
	groups []v1alpha1.Group
}

// addAllowance adds the limits of an allowance, under names that begin with one.
func (t *tenant) addAllowance(i *importer, where, name string, of limited, a allowance) {
	money := v1alpha1.MoneyLimit{Name: name, Per: of.per, Tiers: of.tiers, Groups: of.groups}
	if a.budget != "" {
		t.addMoney(i, where+".max_budget", money, a.budget, a.duration)
	}
	for _, model := range slices.Sorted(maps.Keys(a.models)) {
		of := where + ".model_max_budget (" + model + ")"
		if models, found := i.modelsOf(of, model); found {
			limit := money
			limit.Name, limit.Models = name+"-"+slug(model), models
			t.addMoney(i, of, limit, a.models[model].amount, a.models[model].duration)
		}
	}
	rate := v1alpha1.RateLimit{Per: of.per, Tiers: of.tiers, Groups: of.groups}
	t.addRates(name, rate, a.requests, a.tokens, a.concurrent)
	for _, by := range []struct {
		models map[string]int64
		tokens bool
	}{{a.modelRequests, false}, {a.modelTokens, true}} {
		for _, model := range slices.Sorted(maps.Keys(by.models)) {
			models, found := i.modelsOf(where+" (rate of "+model+")", model)
			if !found {
				continue
			}
			limit := rate
			limit.Models = models
			if by.tokens {
				t.addRates(name+"-"+slug(model), limit, 0, by.models[model], 0)
			} else {
				t.addRates(name+"-"+slug(model), limit, by.models[model], 0, 0)
			}
		}
	}
}

// modelsOf is the models that a limit selects for a model of LiteLLM's.
func (i *importer) modelsOf(where, model string) ([]v1alpha1.ModelName, bool) {
	if !i.models[model] {
		i.note(where, "it is left out: there is no such model")
		return nil, false
	}
	return []v1alpha1.ModelName{v1alpha1.ModelName(model)}, true
}

// Bounds of what a RateLimitPolicy may say.
const (
	maxRequests = 1_000_000
	maxTokens   = 100_000_000
)

// addRates adds rates per minute, and calls in flight, of those that are not 0.
func (t *tenant) addRates(name string, limit v1alpha1.RateLimit, requests, tokens, concurrent int64) {
	add := func(kind, window string, set func(*v1alpha1.RateLimit)) {
		added := limit
		added.Name, added.Window = t.rateNames.unique(strings.Trim(name+"-"+kind, "-")), window
		set(&added)
		t.rates = append(t.rates, added)
	}
	if requests > 0 {
		add("requests", "1m", func(l *v1alpha1.RateLimit) { l.Requests = new(min(requests, maxRequests)) })
	}
	if tokens > 0 {
		add("tokens", "1m", func(l *v1alpha1.RateLimit) { l.Tokens = new(min(tokens, maxTokens)) })
	}
	if concurrent > 0 {
		add("in-flight", "", func(l *v1alpha1.RateLimit) { l.Concurrent = new(min(concurrent, maxRequests)) })
	}
}
