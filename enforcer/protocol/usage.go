package protocol

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
)

// knownMembers are the members that the usage in an answer may have. Any other member with a number
// in it that is not zero, with a text or with true may be something that the provider bills beside
// tokens, or a price that it bills them at: a usage that has one is not believed, unless the
// ModelProvider says that it costs nothing. To know one more is one line in the list of its protocol.
type knownMembers map[string]knownMembers

var (
	// counted is what the reader makes part of the usage, or checks.
	counted knownMembers
	// neutral costs nothing by itself, whatever is in it: a total, a breakdown of what is
	// counted elsewhere, how long something took.
	neutral knownMembers
)

// unknown is the path of the first member that is not known, not neutral for the provider, and
// mayBill; empty when there is none.
func (k knownMembers) unknown(usage gjson.Result, billing limiterv1.Billing) string {
	return k.unknownWithin("", usage, billing)
}

func (k knownMembers) unknownWithin(at string, usage gjson.Result, billing limiterv1.Billing) (found string) {
	usage.ForEach(func(key, value gjson.Result) bool {
		members, ok := k[key.Str]
		if ok && members == nil || !mayBill(value) {
			return true // nearly all members
		}
		path := strings.TrimPrefix(at+"."+clipped(key.Str), ".")
		if usage.IsArray() {
			path = at // all elements of an array have its path
		}
		switch {
		case billing.Neutral(path):
		case value.IsObject() || value.IsArray():
			if usage.IsArray() {
				members = k
			}
			found = members.unknownWithin(path, value, billing)
		default:
			found = path
		}
		return found == ""
	})
	return found
}

// countsSomething is whether a value is, or has in it, a number that is not zero. Some
// providers write numbers as strings.
func countsSomething(value gjson.Result) bool {
	return anyWithin(value, func(leaf gjson.Result) bool {
		number, ok := numberIn(leaf)
		return ok && number != 0
	})
}

// mayBill is whether a value is, or has in it, something by which a provider may bill: a number
// that is not zero, a text, which may name a price, or true.
func mayBill(value gjson.Result) bool {
	return anyWithin(value, func(leaf gjson.Result) bool {
		if number, ok := numberIn(leaf); ok {
			return number != 0
		}
		return strings.TrimSpace(leaf.Str) != "" || leaf.Type == gjson.True
	})
}

// numberIn is a number, or the number in a text that has nothing else.
func numberIn(leaf gjson.Result) (float64, bool) {
	if leaf.Type != gjson.String {
		return leaf.Num, leaf.Type == gjson.Number
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(leaf.Str), 64)
	return number, err == nil || errors.Is(err, strconv.ErrRange)
}

// anyWithin is whether something holds of a value, or of any that is within it, except for
// objects and arrays themselves.
func anyWithin(value gjson.Result, holds func(leaf gjson.Result) bool) (any bool) {
	if !value.IsObject() && !value.IsArray() {
		return holds(value)
	}
	value.ForEach(func(_, member gjson.Result) bool {
		any = anyWithin(member, holds)
		return !any
	})
	return any
}

// twiceIn is the name of a member that stands twice in an object of the usage, of which nobody
// knows which one counts; empty if there is none.
func twiceIn(usage gjson.Result) (found string) {
	names := map[string]bool{}
	usage.ForEach(func(key, value gjson.Result) bool {
		switch {
		case usage.IsObject() && names[key.Str]:
			found = key.Str
		case value.IsObject() || value.IsArray():
			found = twiceIn(value)
		}
		names[key.Str] = true
		return found == ""
	})
	return found
}

// reading is what was read of the usage in an answer: what the call used, unless there is a
// doubt about it. Then nobody knows, but it is not less than used, which may be zero.
type reading struct {
	used  price.Usage
	doubt string
}

func doubted(format string, args ...any) reading { return reading{doubt: fmt.Sprintf(format, args...)} }

func (r reading) usage() (price.Usage, bool) {
	if r.doubt != "" {
		return price.Usage{}, false
	}
	return r.used, true
}

// running is the reading of a usage after which more output came.
func (r reading) running() reading {
	if r.doubt == "" {
		r.doubt = doubtRunning
	}
	return r
}

// statement is what an answer says that bears on what the call cost.
type statement struct {
	// usage is the usage as it is written, and known are its members.
	usage gjson.Result
	known knownMembers
	// used is the usage as it was read.
	used price.Usage
	// model is the model that the answer names, if it names one.
	model gjson.Result
	// cost is where the answer says what it costs; nothing where usage does.
	cost gjson.Result
	// spoke is whether the answer has output that the client has seen.
	spoke bool
	// nothing is whether the answer says of itself that it came to nothing: such a one may
	// have used nothing.
	nothing bool
}

// reporting is where the answer says what it costs, if it does.
func (s statement) reporting() gjson.Result {
	if s.cost.Exists() {
		return s.cost
	}
	return s.usage
}

// bill is what a call is billed by. Answers keep it: it holds nothing of the request.
type bill struct {
	tier  serviceTier
	model limiterv1.Model
	// anyModel is whether what the answer calls its model says nothing: something else than
	// a name decides which one is asked.
	anyModel bool
}

// newBill is the bill of a call of the model that has asked for the tier.
func newBill(model limiterv1.Model, tier serviceTier) bill {
	if model.Unlisted { // its name lies in the request, which answers must not hold
		model.Name, model.UpstreamName = strings.Clone(model.Name), strings.Clone(model.UpstreamName)
	}
	return bill{tier: tier, model: model}
}

// judge says what the call used by an answer, or why that cannot be the whole truth.
func (b bill) judge(n *numbers, s statement) reading {
	billing := b.chargeMembers(n, &s)
	if name := twiceIn(s.usage); name != "" {
		return doubted("its %s stands there twice", clipped(name))
	}
	cost, costDoubt := reportedCost(s.reporting())
	if doubt := b.doubt(n, s); doubt != "" {
		return reading{doubt: doubt}
	}
	said := b.costing(s, cost, costDoubt, billing)
	if said.doubt != "" {
		said.used = s.used // the tokens are true, whatever they cost
	}
	return said
}

// costing is a usage whose numbers can be true, with what it costs if that is not by the prices of
// the model, unless that is in doubt.
func (b bill) costing(s statement, cost *reported, costDoubt string, billing limiterv1.Billing) reading {
	if costDoubt != "" {
		return reading{doubt: costDoubt}
	}
	if b.model.Billing.CostReported {
		return b.billedAt(s.used, cost)
	}
	if path := s.known.unknown(s.usage, billing); path != "" {
		return doubted("its %s is not known: add it to prices.fees of the model or, if it costs nothing, to spec.neutralUsage", path)
	}
	return b.byPrices(s, cost)
}

// doubt is why the numbers cannot be true, whatever they cost.
func (b bill) doubt(n *numbers, s statement) string {
	used := s.used
	switch err := used.Validate(); {
	case n.doubt != "":
		return n.doubt
	case err != nil:
		return err.Error()
	case s.nothing && used.Total() == 0:
		return ""
	case used.TotalInput() == 0:
		return "no input for a request that has some"
	case s.spoke && used.Total() == used.TotalInput():
		return "no tokens of output in an answer that has some"
	}
	return ""
}

// billedAt is a usage of which the provider has said what it bills.
func (b bill) billedAt(used price.Usage, cost *reported) reading {
	if cost == nil {
		return doubted("the provider does not say what the call costs, which spec.costReported relies on")
	}
	tokens, err := b.model.Prices.Cost(used)
	if cost.most == 0 && (err != nil || tokens > 0) {
		return doubted("the provider says that the call costs nothing, and its tokens have a price")
	}
	used.Billed = cost.most
	return reading{used: used}
}

// byPrices is a usage that costs what the prices of its tokens say: those of the model that
// the answer names, where it is another one. If the provider says that it bills more, there
// is something beside tokens.
func (b bill) byPrices(s statement, cost *reported) reading {
	used, prices := s.used, b.model.Prices
	if name := s.model.Str; s.model.Type == gjson.String && !b.anyModel {
		var priced bool
		if prices, priced = b.pricesOf(name); !priced {
			return doubted("the answer is that of model %q, which the ModelProvider does not list: list it, or add it to answeredAs of model %s",
				clipped(name), b.model.Name)
		}
	}
	own, ownErr := b.model.Prices.Cost(used)
	tokens, err := prices.Cost(used)
	switch {
	case err != nil:
		return reading{doubt: err.Error()}
	case tokens == 0 && ownErr == nil && own > 0:
		return doubted("the answer is that of model %q, which costs nothing, and %s does: list its price, or add it to answeredAs of model %s",
			clipped(s.model.Str), b.model.Name, b.model.Name)
	case cost != nil && cost.least > tokens:
		return doubted("the provider says that the call costs %s, which is more than the %s of its tokens: correct the prices, or set spec.costReported", cost.least, tokens)
	case ownErr != nil || own != tokens:
		used.Billed = tokens
	}
	return reading{used: used}
}

// reported is what a provider says that a call costs: between two whole nano-dollars.
type reported struct{ least, most money.Nanos }
