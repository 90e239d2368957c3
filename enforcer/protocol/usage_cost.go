package protocol

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/api/money"
)

// costMember is a member of a usage in which a provider says what it bills for the call in
// total.
type costMember struct {
	path string
	// perUSD is how many of its units are a US dollar.
	perUSD int64
	// beside is the member with what another provider bills in addition, if the usage says
	// that the customer's own key at that provider was used (is_byok).
	beside string
}

// costMembers are those that providers have, of which a usage has one: OpenRouter's and
// Vercel's, Perplexity's, xAI's, and DeepInfra's.
var costMembers = []costMember{
	{path: "cost", perUSD: 1, beside: "cost_details.upstream_inference_cost"},
	{path: "cost.total_cost", perUSD: 1},
	{path: "cost_in_usd_ticks", perUSD: 10_000_000_000},
	{path: "estimated_cost", perUSD: 1},
}

// costKnown are the members by which reportedCost goes, and those that break its figure down.
var costKnown = knownMembers{
	"cost": neutral, "cost_in_usd_ticks": neutral, "estimated_cost": neutral, "cost_details": neutral, "is_byok": neutral,
}

// plus is the union of both.
func (k knownMembers) plus(more knownMembers) knownMembers {
	all := knownMembers{}
	for _, some := range []knownMembers{k, more} {
		for name, members := range some {
			all[name] = members
		}
	}
	return all
}

// reportedCost is what a provider says in a usage that the call costs; nil where it says
// nothing. The doubt is why that cannot be read.
func reportedCost(usage gjson.Result) (cost *reported, doubt string) {
	for _, m := range costMembers {
		value := usage.Get(m.path)
		if value.Type != gjson.Number && value.Type != gjson.String {
			continue
		}
		sum, ok := decimal(value)
		if ok && m.beside != "" && usage.Get("is_byok").Bool() {
			var more *big.Rat
			if more, ok = decimal(usage.Get(m.beside)); ok {
				sum.Add(sum, more)
			}
		}
		amount := nanos(sum, m.perUSD)
		if !ok || amount == nil {
			return nil, "its " + m.path + " is no amount that a call can cost"
		}
		if cost == nil || cost.most == 0 {
			cost = amount
		}
		if amount.most != 0 && *amount != *cost {
			return nil, "its " + m.path + " is another amount than another member has"
		}
	}
	if cost != nil {
		return cost, ""
	}
	if mayBill(usage.Get("cost")) {
		return nil, "its cost has no total"
	}
	return nil, ""
}

// maxDecimal is the length of the longest decimal number that is read, and maxExponent its
// largest exponent: what is larger is no amount of money.
const (
	maxDecimal  = 64
	maxExponent = 32
)

// decimal is a decimal number, as a number or in a string, exactly.
func decimal(value gjson.Result) (*big.Rat, bool) {
	text := value.Raw
	if value.Type == gjson.String {
		text = value.Str
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		if exponent, err := strconv.Atoi(text[i+1:]); err != nil || max(exponent, -exponent) > maxExponent {
			return new(big.Rat), false
		}
	}
	if len(text) > maxDecimal || strings.ContainsAny(text, "/_xXpPbBoO") {
		return new(big.Rat), false
	}
	number, ok := new(big.Rat).SetString(text)
	if !ok {
		return new(big.Rat), false
	}
	return number, true
}

// nanos is an amount in nano-dollars; nil when no call can cost it.
func nanos(amount *big.Rat, perUSD int64) *reported {
	amount = new(big.Rat).Mul(amount, big.NewRat(int64(money.USD), perUSD))
	if amount.Sign() < 0 || amount.Cmp(big.NewRat(int64(money.Max), 1)) > 0 {
		return nil
	}
	least, rest := new(big.Int).QuoRem(amount.Num(), amount.Denom(), new(big.Int))
	cost := &reported{least: money.Nanos(least.Int64()), most: money.Nanos(least.Int64())}
	if rest.Sign() > 0 {
		cost.most++
	}
	return cost
}
