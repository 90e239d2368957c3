package litellm

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// readConfigs reads the configuration: models first, then what applies to all of them.
func (i *importer) readConfigs() error {
	prices, err := i.readPrices()
	if err != nil {
		return err
	}
	var configs []record
	for _, file := range i.Configs {
		config, err := readYAML(file)
		if err != nil {
			return err
		}
		configs = append(configs, config)
		for n, deployment := range config.parts("model_list") {
			deployment.where = fmt.Sprintf("%s: model_list[%d]", file.Name, n)
			i.readDeployment(deployment.named(deployment.text("model_name")), prices)
		}
	}
	i.main = i.newTenant(i.Tenant)
	for _, config := range configs {
		i.readSettings(config)
	}
	return nil
}

// readSettings reads what applies to the whole proxy.
func (i *importer) readSettings(config record) {
	for _, file := range config.list("include") {
		i.note(config.where, "it includes %s: give it with another -f", file)
	}
	settings := section(config, "litellm_settings")
	router := section(config, "router_settings")
	general := section(config, "general_settings")
	i.readProxyBudget(settings)
	for _, s := range []record{settings, router} {
		for _, kind := range []string{"fallbacks", "default_fallbacks", "context_window_fallbacks", "content_policy_fallbacks"} {
			i.readFallbacks(s, kind)
		}
	}
	i.readAliases(router)
	if general.text("master_key") != "" {
		i.note(general.where, "master_key is not carried over: who may change what is up to the cluster's RBAC")
	}
	for _, s := range []record{settings, router, general} {
		i.noteUnread(s)
	}
	_ = config.raw("environment_variables") // these are for the programs, and may be secret
	i.noteUnread(config)
}

func section(config record, name string) record {
	s := config.part(name)
	s.where = config.where + ": " + name
	return s
}

// readProxyBudget reads the budget of the whole proxy, and those that all users have.
func (i *importer) readProxyBudget(settings record) {
	if zone := settings.text("timezone"); zone != "" {
		i.zone = zone
	}
	duration := settings.text("budget_duration")
	if n := settings.number("max_budget"); n != "" {
		i.main.addMoney(i, settings.where+".max_budget", v1alpha1.MoneyLimit{Name: "proxy"}, n, duration)
		i.main.isParent = true
	}
	i.main.each = allowance{budget: settings.number("max_internal_user_budget"), duration: settings.text("internal_user_budget_duration")}
}

const (
	maxVirtual      = 16
	maxVirtualLists = 8
)

// readFallbacks makes a virtual model of a model and its fallbacks.
func (i *importer) readFallbacks(settings record, kind string) {
	var lists []map[string][]string
	raw := settings.raw(kind)
	if isEmpty(raw) {
		return
	}
	if kind != "fallbacks" || json.Unmarshal(raw, &lists) != nil {
		i.note(settings.where, "%s is not carried over: a call that fails at its provider is not made with another model", kind)
		return
	}
	for _, list := range lists {
		for _, from := range slices.Sorted(maps.Keys(list)) {
			where := fmt.Sprintf("%s.fallbacks (%s)", settings.where, from)
			if i.addVirtual(where, from, append([]string{from}, list[from]...)) {
				i.note(where, "the others are called where a call of %s does not fit into what is left of the limits, and not where its provider fails", from)
			}
		}
	}
}

// readAliases makes a virtual model of each other name of a model.
func (i *importer) readAliases(router record) {
	aliases := router.part("model_group_alias")
	for _, alias := range aliases.names() {
		model := aliases.text(alias)
		if model == "" { // {model: ..., hidden: ...}
			model = aliases.part(alias).text("model")
		}
		i.addVirtual(fmt.Sprintf("%s.model_group_alias (%s)", router.where, alias), alias, []string{model})
	}
}

// addVirtual adds a virtual model to every tenant, with those of the models that exist.
func (i *importer) addVirtual(where, name string, models []string) bool {
	virtual := v1alpha1.VirtualModel{Name: v1alpha1.ModelName(name)}
	for _, model := range models {
		switch named := v1alpha1.ModelName(model); {
		case !i.models[model]:
			i.note(where, "%s is left out: there is no such model", model)
		case !slices.Contains(virtual.Models, named):
			virtual.Models = append(virtual.Models, named)
		}
	}
	there := slices.ContainsFunc(i.virtual, func(v v1alpha1.VirtualModel) bool { return string(v.Name) == name })
	switch {
	case len(virtual.Models) == 0 || !limiterv1.IsModelName(name):
		i.note(where, "it is left out")
		return false
	case there:
		i.note(where, "it is left out: another fallback or alias has the name %s", name)
		return false
	case len(i.virtual) == maxVirtual || len(virtual.Models) > maxVirtualLists:
		i.note(where, "it is left out: there may be %d virtual models, each of %d models", maxVirtual, maxVirtualLists)
		return false
	case len(virtual.Models) == 1 && string(virtual.Models[0]) == name:
		return false // nothing to choose from
	}
	i.virtual = append(i.virtual, virtual)
	return true
}

// expand are models by name, with the access groups among them replaced by their models, and
// whether they are all models.
func (i *importer) expand(models []string) (names []string, all bool) {
	for _, model := range models {
		switch {
		case model == "*" || model == "all-proxy-models":
			return nil, true
		case i.accessGroups[model] != nil:
			names = append(names, i.accessGroups[model]...)
		default:
			names = append(names, model)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), len(models) == 0
}

// isAnswered reports whether a name, or a pattern, is that of a model that can be called.
func (i *importer) isAnswered(name string) bool {
	pattern := []string{name}
	for model := range i.models {
		if limiterv1.Matches(pattern, model) {
			return true
		}
	}
	return slices.ContainsFunc(i.virtual, func(v v1alpha1.VirtualModel) bool { return limiterv1.Matches(pattern, string(v.Name)) })
}
