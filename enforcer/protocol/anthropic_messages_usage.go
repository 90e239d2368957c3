package protocol

import (
	"maps"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/api/price"
)

// messagesKnown are the members of a usage of Messages.
var messagesKnown = knownMembers{
	"input_tokens": counted, "output_tokens": counted, "cache_read_input_tokens": counted, "cache_creation_input_tokens": counted,
	"cache_creation":  {"ephemeral_5m_input_tokens": counted, "ephemeral_1h_input_tokens": counted},
	"server_tool_use": counted, "iterations": counted, "service_tier": counted, "inference_geo": counted, "speed": counted,
	"output_tokens_details": neutral, "total_tokens": neutral, // thoughts are compared with the output
}.plus(costKnown)

// iterationKnown are the members of one of its iterations. What they have used beside tokens is
// reported for all of them together.
var iterationKnown = knownMembers{
	"input_tokens": counted, "output_tokens": counted, "cache_read_input_tokens": counted, "cache_creation_input_tokens": counted,
	"cache_creation":        {"ephemeral_5m_input_tokens": counted, "ephemeral_1h_input_tokens": counted},
	"output_tokens_details": neutral, "total_tokens": neutral,
	"type": counted, "model": counted, "inference_geo": counted, "speed": counted,
}

// usual are the values of properties that do not change the price, by property. Each has
// them in an answer when nothing was asked for.
var usual = map[string][]string{
	"inference_geo": {"", "global", "not_available"},
	"speed":         {"", "standard"},
}

// propertyOf is the value of a property as prices know it: empty if it is a usual one.
func propertyOf(name, value string) string {
	value = strings.ToLower(value)
	for _, same := range usual[name] {
		if value == same {
			return ""
		}
	}
	return value
}

// messagesUsage gathers a usage that comes in pieces, of which each tells the totals so far:
// a later one takes the place of an earlier one, member by member, unless it counts nothing
// where the earlier one has counted something.
//
// Input does not contain what was read from the cache or written to it.
type messagesUsage struct {
	bill bill
	// writes is the kind of what is written to the cache, where the answer does not say.
	writes price.Kind
	// promptOnly is whether no output was asked for.
	promptOnly bool

	members map[string]gjson.Result
	model   gjson.Result
	// beside is what the answer says, outside of its usage, that the price depends on.
	beside map[string]gjson.Result
	// wrong is what is wrong with the pieces of the usage.
	wrong string
	// fell is the name of a count that is below what it was.
	fell string
}

// maxMembers is how many members of a usage are kept, however many pieces it comes in. Usages have
// a dozen.
const maxMembers = 256

// newMessagesUsage is the usage of a call that was billed so.
func newMessagesUsage(b bill, writes price.Kind, promptOnly bool) messagesUsage {
	if writes == price.Input {
		writes = price.CacheWrite5m // the provider may write by itself, for as long as is usual
	}
	return messagesUsage{bill: b, writes: writes, promptOnly: promptOnly}
}

// ofInput are the members that divide the input among them: they are replaced together.
var ofInput = []string{"input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation"}

// pricedBy are the members by which tokens have another price.
var pricedBy = []string{"service_tier", "inference_geo", "speed"}

// addFrom takes the usage of an object, and what stands beside it.
func (u *messagesUsage) addFrom(object gjson.Result) {
	if isTwice(object, "usage") {
		u.wrong = doubtTwice
	}
	u.addBeside(object)
	u.add(object.Get("usage"))
}

// addBeside takes what an object says of what the price depends on.
func (u *messagesUsage) addBeside(object gjson.Result) {
	for _, name := range pricedBy {
		u.noteBeside(name, object.Get(name))
	}
}

func (u *messagesUsage) noteBeside(name string, said gjson.Result) {
	if said.Type == gjson.Null {
		return
	}
	if before, ok := u.beside[name]; ok && !sameValue(name, before, said) {
		u.wrong = "the answer has two values of " + name
	}
	if u.beside == nil {
		u.beside = map[string]gjson.Result{}
	}
	u.beside[name] = said
}

func (u *messagesUsage) add(usage gjson.Result) {
	if u.members == nil {
		u.members = map[string]gjson.Result{}
	}
	anyInput := false
	for _, name := range ofInput {
		anyInput = anyInput || countsSomething(usage.Get(name))
	}
	input := u.input()
	usage.ForEach(func(key, value gjson.Result) bool {
		before, had := u.members[key.Str]
		if key.Str == "output_tokens" && had && value.Num > 0 && value.Num < before.Num {
			u.fell = key.Str
		}
		switch {
		case value.Type == gjson.Null:
		case !had && len(u.members) == maxMembers:
			u.wrong = "it has too many members"
		case had && anyInput && isOfInput(key.Str):
			u.members[key.Str] = value
		case had && countsSomething(before) && !countsSomething(value) && value.Type != gjson.String:
		default:
			u.members[key.Str] = value
		}
		return true
	})
	if u.input() < input {
		u.fell = "input"
	}
}

// input is how much input there is so far.
func (u *messagesUsage) input() (all float64) {
	for _, name := range ofInput {
		all += u.members[name].Num
	}
	return all
}

func isOfInput(name string) bool {
	for _, of := range ofInput {
		if name == of {
			return true
		}
	}
	return false
}

// merged is all of the usage as one object, with what was said beside it.
func (u *messagesUsage) merged(n *numbers) gjson.Result {
	members := maps.Clone(u.members)
	for name, said := range u.beside {
		if within, ok := members[name]; ok && within.Type != gjson.Null && !sameValue(name, within, said) {
			n.doubtOf("its %s is %s, and beside it stands %s", name, clipped(within.Raw), clipped(said.Raw))
		}
		members[name] = said
	}
	object := []byte{'{'}
	for name, value := range members {
		if len(object) > 1 {
			object = append(object, ',')
		}
		object = append(append(gjson.AppendJSONString(object, name), ':'), value.Raw...)
	}
	return gjson.ParseBytes(append(object, '}'))
}

// sameValue is whether two values of a property, or of the service tier, are one.
func sameValue(name string, a, b gjson.Result) bool {
	if a.Type != gjson.String || b.Type != gjson.String {
		return a.Raw == b.Raw
	}
	if name == "service_tier" {
		return tierNamed(a.Str) == tierNamed(b.Str)
	}
	return propertyOf(name, a.Str) == propertyOf(name, b.Str)
}

func (u *messagesUsage) reading() reading {
	n := numbers{doubt: u.wrong}
	usage := u.merged(&n)
	n.of = usage
	used := u.tokens(&n)
	if !u.promptOnly && used.Output == 0 && used.TotalInput() > 0 {
		n.doubtOf("it has no output_tokens, of which every answer has some")
	}
	if u.fell != "" {
		n.doubtOf("a later one has fewer tokens of %s than an earlier one", u.fell)
	}
	u.addIterations(&n, &used)
	thoughts := n.mayElse0("output_tokens_details.thinking_tokens")
	if thoughts > used.Output {
		n.doubtOf("its thinking_tokens are %d, of %d output_tokens", thoughts, used.Output)
	}
	used.Reasoning = min(used.Output, thoughts)
	used.ServiceTier = u.bill.tier.served(usage.Get("service_tier"))
	used.Properties, used.Uses = answeredProperties(usage), serverToolUses(&n)
	return u.bill.judge(&n, statement{usage: usage, known: messagesKnown, used: used, model: u.model})
}

// tokens are the tokens that a usage, or a part of one, counts. Where it does not say for how long
// something was written to the cache, that is as long as the request has asked.
func (u *messagesUsage) tokens(n *numbers) price.Usage {
	used := price.Usage{
		Input: n.must("input_tokens"), CachedInput: n.may("cache_read_input_tokens"), Output: n.must("output_tokens"),
		CacheWrite5m: n.may("cache_creation.ephemeral_5m_input_tokens"), CacheWrite1h: n.may("cache_creation.ephemeral_1h_input_tokens"),
	}
	if !n.of.Get("cache_creation_input_tokens").Exists() {
		return used
	}
	unsplit := n.may("cache_creation_input_tokens") - used.CacheWrite5m - used.CacheWrite1h
	switch {
	case unsplit < 0:
		n.doubtOf("its cache_creation is more than its cache_creation_input_tokens")
	case u.writes == price.CacheWrite1h:
		used.CacheWrite1h += unsplit
	default:
		used.CacheWrite5m += unsplit
	}
	return used
}

// addIterations adds what was billed beside the answer itself. Its usage is that of its
// iterations of type message; those of type compaction, which have written a summary of the
// conversation, come on top, unless the sum has them already. Iterations of all other types
// are those of another model.
func (u *messagesUsage) addIterations(n *numbers, used *price.Usage) {
	var messages, beside price.Usage
	some := false
	n.of.Get("iterations").ForEach(func(_, iteration gjson.Result) bool {
		part := numbers{of: iteration}
		switch kind := iteration.Get("type").Str; {
		case !countsSomething(iteration):
		case answeredProperties(iteration) != "" && answeredProperties(iteration) != answeredProperties(n.of):
			n.doubtOf("its iterations have one at another price than its tokens")
		case iterationKnown.unknown(iteration, u.bill.model.Billing) != "":
			n.doubtOf("the %s of one of its iterations is not known", iterationKnown.unknown(iteration, u.bill.model.Billing))
		case !u.bill.names(iteration.Get("model")):
			n.doubtOf("its iterations have one of model %q", clipped(iteration.Get("model").Str))
		case kind == "message":
			some = true
			messages = sum(messages, u.tokens(&part))
		case kind == "compaction":
			beside = sum(beside, u.tokens(&part))
		default:
			n.doubtOf("its iterations have one of type %q, whose price is not known", clipped(kind))
		}
		if part.doubt != "" {
			n.doubtOf("of its iterations, %s", part.doubt)
		}
		return true
	})
	same := func(a price.Usage) bool { return a.TotalInput() == used.TotalInput() && a.Output == used.Output }
	switch {
	case !some && beside == (price.Usage{}) || same(sum(messages, beside)):
	case some && !same(messages):
		n.doubtOf("its iterations are another sum than its tokens")
	default:
		*used = sum(*used, beside)
	}
}

// names is whether a name in an answer, if there is one, is that of the model that was asked.
func (b bill) names(name gjson.Result) bool {
	m := b.model
	return name.Type != gjson.String || m.Unlisted || name.Str == m.UpstreamName || m.IsAnsweredAs(name.Str) || sameModel(m.UpstreamName, name.Str)
}

// sum is how many tokens both have, of those kinds that Messages has.
func sum(a, b price.Usage) price.Usage {
	return price.Usage{
		Input: a.Input + b.Input, CachedInput: a.CachedInput + b.CachedInput, Output: a.Output + b.Output,
		CacheWrite5m: a.CacheWrite5m + b.CacheWrite5m, CacheWrite1h: a.CacheWrite1h + b.CacheWrite1h,
	}
}

// answeredProperties are the properties of a call that change its price, as the answer has
// them.
func answeredProperties(usage gjson.Result) price.Properties {
	values := map[string]string{}
	for name := range usual {
		answered := usage.Get(name)
		text := answered.Str
		if answered.Type != gjson.String && answered.Type != gjson.Null {
			text = clipped(answered.Raw) // which has no factor
		}
		if value := propertyOf(name, text); value != "" {
			values[name] = value
		}
	}
	return price.PropertiesOf(values)
}

// namedProperties are the properties that the answer names so far: those, too, that do not
// change the price.
func (u *messagesUsage) namedProperties() price.Properties {
	values, usage := map[string]string{}, u.merged(&numbers{})
	for name := range usual {
		if said := usage.Get(name); said.Type == gjson.String {
			values[name] = propertyOf(name, said.Str)
		}
	}
	return price.PropertiesOf(values)
}

// freeServerTools are those whose use is billed by nothing but tokens.
var freeServerTools = map[string]bool{"tool_search": true}

// serverToolUses are how often each tool was used that the provider has run, by the name of
// its fee: "web_search_requests" are uses of web_search.
func serverToolUses(n *numbers) price.Uses {
	counts := map[string]int64{}
	n.of.Get("server_tool_use").ForEach(func(key, value gjson.Result) bool {
		name := strings.TrimSuffix(key.Str, "_requests")
		switch {
		case !mayBill(value) || freeServerTools[name]:
		default:
			counts[name] = n.readNamed("server_tool_use."+clipped(key.Str), value)
		}
		return true
	})
	return price.UsesOf(counts)
}
