package protocol

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// Unpriced is something in a request whose cost is not bounded here. The request is
// refused, unless the provider's ModelProvider says that it may be passed on.
type Unpriced struct {
	RequestError
	// Field is the place as spec.passFields of a ModelProvider names it: like Param,
	// with "[]" for every element of an array, and with "=" before the one value that is
	// meant, where others are priced: "plugins", "messages[].content[].video_url",
	// "tools[].type=web_search".
	Field string
	// Fee is the name of the fee that a model needs, to bound what this costs; empty where no
	// fee does. Unbounded is whether the request does not say how often it may be used, so that
	// the fee must.
	Fee       string
	Unbounded bool
	// Property and Value are what a model needs a multiplier for, to bound what this costs;
	// empty where none does.
	Property, Value string
	// LeftOut is whether the provider is not asked for it, so that it costs nothing. Where the
	// ModelProvider passes it on, the call's Header is not sent.
	LeftOut bool
	// PricedBy is the kind of token that a model needs a price for, to bound what this costs;
	// empty where none does.
	PricedBy price.Kind
}

// For is whether this is unpriced for a model.
func (u Unpriced) For(model limiterv1.Model) bool {
	switch {
	case u.LeftOut:
		return false
	case u.Fee != "":
		return !model.Prices.Charges(u.Fee) || u.Unbounded && model.Prices.MostUses(u.Fee) == 0
	case u.Property != "":
		return !model.Prices.Multiplies(u.Property, u.Value)
	case u.PricedBy != "":
		return !model.Prices.Offers(u.PricedBy)
	}
	return true
}

// unpriced is what of a request is unpriced. Requests that were read embed it.
type unpriced []Unpriced

// Unpriced is what of the request is unpriced, in its order.
func (u unpriced) Unpriced() []Unpriced { return u }

// allowed are the members that an object in a request may have, each with what it can cost.
// Any other member is unpriced. To allow one more is one line here. An empty array asks for
// nothing.
type allowed map[string]rule

// rule is what a member can cost. It holds for each element of an array, too. Null is no
// member: providers take it for absent.
type rule struct {
	// why is why the value is unpriced; empty where it is not, or depends on it.
	why string
	// values are the only strings that cost nothing more; for any other, why says why.
	values []string
	// object are the members that an object may have; nil where it may have any.
	object allowed
	// byType are the rules of objects by their member "type"; for any other type, why
	// says why.
	byType map[string]rule
	// off is whether false costs nothing; for any other value, why says why.
	off bool
	// needs is a member that an object must have; without it, why says why.
	needs string
	// fee is the name of the fee that bounds what an object costs, where its member uses says
	// how often it may be used at most; if uses is empty, it is used once. If ofRequest is set,
	// uses is a member of the request. Where it is not there, it is set to what the fee says.
	fee, uses string
	ofRequest bool
	// property is the name of the property whose multipliers bound what all other strings than
	// values cost.
	property string
	// pricedBy is the kind of token whose price bounds the value, where the model has one; it
	// has a why for models that have none.
	pricedBy price.Kind
	// name is the member's name, if the body may spell it in another way.
	name string
}

var (
	// free costs nothing except the tokens that it has as a part of the body, all of it.
	free = rule{}
	// bounded is what the reader of the endpoint bounds, or refuses.
	bounded = rule{}
)

// unbounded is the rule of what has a cost that is not bounded here, and why.
func unbounded(why string) rule { return rule{why: why} }

// onlyFalse is the rule of what costs nothing if it is false.
func onlyFalse(why string) rule { return rule{why: why, off: true} }

// onlyValues is the rule of what costs nothing if it is one of these strings.
func onlyValues(why string, values ...string) rule { return rule{why: why, values: values} }

// multiplied is the rule of a string that costs nothing if it is one of these, and otherwise
// multiplies the cost of the call's tokens.
func multiplied(property, why string, values ...string) rule {
	return rule{why: why, values: values, property: property}
}

// charged is the rule of an object that costs a fee for each use, of which its member uses
// says how many there may be.
func (r rule) charged(fee, uses, why string) rule {
	r.fee, r.uses, r.why = fee, uses, why
	return r
}

// chargedWithin is the same where a member of the request says how many uses there may be.
func (r rule) chargedWithin(fee, uses, why string) rule {
	r = r.charged(fee, uses, why)
	r.ofRequest = true
	return r
}

// pricedAs is the rule of what costs as much as tokens of a kind, where r does not say otherwise;
// for a model without a price of the kind it has no bound.
func (r rule) pricedAs(kind price.Kind, why string) rule {
	r.pricedBy, r.why = kind, why
	return r
}

// object costs what its members do.
func object(members allowed) rule { return rule{object: members} }

// ofTypes costs what its members do, which its type says; without a type, it is "".
func ofTypes(why string, types map[string]rule) rule { return rule{why: why, byType: types} }

// needing is the rule of an object that must have a member, and why.
func (r rule) needing(member, why string) rule {
	r.needs, r.why = member, why
	return r
}

// with is the rule of an object that may have one more member.
func (r rule) with(name string, of rule) rule {
	r.object = r.object.plus(allowed{name: of})
	return r
}

// plus is the union of both.
func (a allowed) plus(more allowed) allowed {
	all := maps.Clone(a)
	maps.Copy(all, more)
	return all
}

// inBothCases are the same members, written in camel case or in snake case.
func (a allowed) inBothCases() allowed {
	both := allowed{}
	for name, rule := range a {
		if rule.object != nil {
			rule.object = rule.object.inBothCases()
		}
		rule.name = name
		both[name], both[snakeCase(name)] = rule, rule
	}
	return both
}

// maxUnpriced is how many different unpriced things a request may have.
const maxUnpriced = 64

// check finds what is unpriced in the object that is a request. The error is that an
// object has no single type.
func (a allowed) check(request gjson.Result) (unpriced, *RequestError) {
	c := checker{request: request}
	c.members(request, object(a))
	if c.err == nil && len(c.found) > maxUnpriced {
		c.err = wrong("", "has more than %d unknown fields", maxUnpriced)
	}
	return c.found, c.err
}

// checker walks through a request.
type checker struct {
	request gjson.Result
	// path leads to where the checker is.
	path  []segment
	found unpriced
	err   *RequestError
	field []byte // of the place where the checker is
}

// segment is a member of an object by its name, as it is written and as it is known where
// that differs, or an element of an array by its index.
type segment struct {
	written, known string
	index          int
}

const noIndex = -1

func (c *checker) members(object gjson.Result, of rule) {
	needed := of.needs
	object.ForEach(func(key, value gjson.Result) bool {
		rule, ok := of.object[key.Str]
		if key.Str == of.needs && value.Type != gjson.Null {
			needed = ""
		}
		switch {
		case ok && isEmptyArray(value):
			return true
		case !ok:
			rule = unbounded("its cost is not known")
		}
		c.path = append(c.path, segment{key.Str, rule.name, noIndex})
		c.value(value, rule)
		c.path = c.path[:len(c.path)-1]
		return c.goesOn()
	})
	if needed != "" {
		c.add(of.why, needed, "")
	}
}

// goesOn is whether there is any use in looking further.
func (c *checker) goesOn() bool { return c.err == nil && len(c.found) <= maxUnpriced }

func (c *checker) value(value gjson.Result, rule rule) {
	structured := rule.object != nil || rule.byType != nil || rule.values != nil
	if value.Type != gjson.Null && rule.pricedBy != "" {
		c.addPriced(rule)
	}
	switch {
	case value.Type == gjson.Null || !structured && (rule.why == "" || rule.pricedBy != ""):
	case rule.off && value.Type == gjson.False:
	case !structured:
		c.add(rule.why, "", "")
	case value.IsArray():
		c.elements(value, rule)
	case rule.values != nil:
		if value.Type != gjson.String || !slices.Contains(rule.values, value.Str) {
			c.addMultiplied(rule, value)
		}
	case !value.IsObject() && rule.fee != "":
		c.add(rule.why, "", "")
	case !value.IsObject():
	case rule.byType != nil:
		c.typed(value, rule)
	default:
		if rule.fee != "" {
			c.addCharged(rule, value, "", "")
		}
		c.members(value, rule)
	}
}

// isEmptyArray reports whether a value is an empty array, which asks for nothing.
func isEmptyArray(value gjson.Result) bool {
	return value.IsArray() && !hasSomething(value)
}

// addMultiplied notes that the string where the checker is, if multipliers can be for it, is
// unpriced for models without one.
func (c *checker) addMultiplied(of rule, value gjson.Result) {
	var u Unpriced
	if of.property != "" && value.Type == gjson.String {
		u.Property, u.Value = of.property, strings.ToLower(value.Str)
	}
	c.note(u, of.why, "", value.Str)
}

// addCharged notes that an object is unpriced for models without a fee; or without one that
// says how often it may be used, where the request does not.
func (c *checker) addCharged(of rule, object gjson.Result, member, value string) {
	why, bounded := of.why, of.uses == ""
	if of.ofRequest {
		object = c.request
	}
	if !bounded {
		_, bounded = wholeNumber(object.Get(of.uses))
	}
	switch {
	case bounded:
	case of.ofRequest:
		why = "it is billed per use, and the request has no " + of.uses + ": set it"
	default:
		why = "its cost has no bound without " + of.uses + ": set it"
	}
	c.note(Unpriced{Fee: of.fee, Unbounded: !bounded}, why, member, value)
}

func (c *checker) elements(array gjson.Result, rule rule) {
	i := 0
	array.ForEach(func(_, element gjson.Result) bool {
		c.path = append(c.path, segment{"", "", i})
		c.value(element, rule)
		c.path = c.path[:len(c.path)-1]
		i++
		return c.goesOn()
	})
}

func (c *checker) typed(object gjson.Result, rule rule) {
	kind, err := typeOf(object)
	if err != nil {
		c.err = err.within(c.param())
		return
	}
	of, ok := rule.byType[kind]
	switch {
	case !ok:
		c.add(rule.why, "type", kind)
	case of.why != "" && of.object == nil:
		c.add(of.why, "type", kind)
	case of.object != nil:
		if of.fee != "" {
			c.addCharged(of, object, "type", kind)
		}
		c.members(object, of)
	}
}

// add notes that something is unpriced for all models: the member of that name or, without a
// name, the value where the checker is. value is set if only this value is unpriced.
func (c *checker) add(why, member, value string) { c.note(Unpriced{}, why, member, value) }

// note notes that something is unpriced as u says, unless it is noted already.
func (c *checker) note(u Unpriced, why, member, value string) {
	if member != "" {
		c.path = append(c.path, segment{member, "", noIndex})
		defer func() { c.path = c.path[:len(c.path)-1] }()
	}
	c.field = c.appendPath(c.field[:0], false)
	if value != "" {
		c.field = append(append(c.field, '='), clipped(value)...)
	}
	same := func(noted Unpriced) bool {
		if noted.Field != string(c.field) {
			return false
		}
		noted.Field, noted.RequestError = "", RequestError{}
		return noted == u
	}
	if slices.ContainsFunc(c.found, same) {
		return
	}
	u.Field, u.RequestError = string(c.field), *unsupported(c.param(), why)
	c.found = append(c.found, u)
}

// addPriced notes that models without a price have no bound for the value where the checker is.
func (c *checker) addPriced(of rule) {
	c.note(Unpriced{PricedBy: of.pricedBy}, of.why, "", "")
}

// param is where the checker is in the request.
func (c *checker) param() string { return string(c.appendPath(nil, true)) }

func (c *checker) appendPath(to []byte, indexed bool) []byte {
	for i, s := range c.path {
		name := s.written
		if s.known != "" && !indexed {
			name = s.known
		}
		switch {
		case s.index != noIndex && indexed:
			to = append(strconv.AppendInt(append(to, '['), int64(s.index), 10), ']')
		case s.index != noIndex:
			to = append(to, "[]"...)
		case i > 0:
			to = append(append(to, '.'), clipped(name)...)
		default:
			to = append(to, clipped(name)...)
		}
	}
	return to
}

// maxName is how many bytes of a name that a caller has made up are repeated.
const maxName = 128

func clipped(name string) string {
	if len(name) <= maxName {
		return name
	}
	end := maxName
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + "..."
}

// headerValues are the values of a header field, several of which may stand in one.
func (in Incoming) headerValues(name string) (all []string) {
	if in.Header == nil {
		return nil
	}
	for _, field := range in.Header.Values(name) {
		for value := range strings.SplitSeq(field, ",") {
			if value = strings.TrimSpace(value); value != "" {
				all = append(all, value)
			}
		}
	}
	return all
}

// headerUnpriced is what of a header field that is sent on is unpriced: its values that are
// not among those known.
func (in Incoming) headerUnpriced(name string, known []string) (found unpriced) {
	for _, value := range in.headerValues(name) {
		if slices.Contains(known, value) {
			continue
		}
		found = append(found, Unpriced{
			Field:        name + "=" + clipped(value),
			RequestError: *unsupported(fmt.Sprintf("The header field %s: %s", name, clipped(value)), "its cost is not known"),
		})
	}
	return found
}
