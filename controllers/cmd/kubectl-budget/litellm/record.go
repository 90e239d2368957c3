package litellm

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// record is an object of LiteLLM's. It knows which of its members were read, so that the others
// can be reported.
type record struct {
	// where says which record it is, for people: "config.yaml: model_list[2] (gpt-4o)".
	where   string
	members map[string]json.RawMessage
	read    map[string]bool
}

func newRecord(where string, raw json.RawMessage) (record, error) {
	r := record{where: where, read: map[string]bool{}}
	if isEmpty(raw) {
		return r, nil
	}
	if err := json.Unmarshal(raw, &r.members); err != nil {
		return r, fmt.Errorf("%s is not an object: %w", where, err)
	}
	return r, nil
}

// isEmpty reports whether a member says nothing: it is absent, null, or the empty value of its
// type.
func isEmpty(raw json.RawMessage) bool {
	switch strings.TrimSpace(string(raw)) {
	case "", "null", `""`, "[]", "{}", "false":
		return true
	}
	return false
}

func (r record) raw(name string) json.RawMessage {
	r.read[name] = true
	return r.members[name]
}

// text is a member that is a string, or a number as it is written; otherwise it is empty.
func (r record) text(name string) string {
	var s string
	if json.Unmarshal(r.raw(name), &s) == nil {
		return s
	}
	return string(r.number(name))
}

// number is a member that is a number; otherwise it is empty.
func (r record) number(name string) (n json.Number) {
	_ = json.Unmarshal(r.raw(name), &n) // anything else is no number
	return n
}

// whole is a member that is a whole number above 0; otherwise it is 0.
func (r record) whole(name string) int64 { return wholeOf(r.number(name)) }

func wholeOf(n json.Number) int64 {
	rat, ok := new(big.Rat).SetString(string(n))
	if !ok || !rat.IsInt() || !rat.Num().IsInt64() || rat.Sign() <= 0 {
		return 0
	}
	return rat.Num().Int64()
}

func (r record) isTrue(name string) (is bool) {
	_ = json.Unmarshal(r.raw(name), &is) // anything else is false
	return is
}

// list is a member that is a list of strings.
func (r record) list(name string) (all []string) {
	_ = json.Unmarshal(r.raw(name), &all) // anything else is no list
	return all
}

// part is a member that is an object.
func (r record) part(name string) record {
	part, err := newRecord(r.where+"."+name, r.raw(name))
	if err != nil {
		part.members = nil
	}
	return part
}

// parts are the objects of a member that is a list of them.
func (r record) parts(name string) (all []record) {
	var raws []json.RawMessage
	_ = json.Unmarshal(r.raw(name), &raws) // anything else has no objects
	for i, raw := range raws {
		if part, err := newRecord(fmt.Sprintf("%s.%s[%d]", r.where, name, i), raw); err == nil {
			all = append(all, part)
		}
	}
	return all
}

// names are the names of the members, in order.
func (r record) names() []string { return slices.Sorted(maps.Keys(r.members)) }

// unread are the members that say something and were not read, except for those that need no
// note.
func (r record) unread(except ...string) (all []string) {
	for _, name := range r.names() {
		if !r.read[name] && !isEmpty(r.members[name]) && !slices.Contains(except, name) {
			all = append(all, name)
		}
	}
	return all
}

// maxAmount is the most that a limit may be, in dollars.
const maxAmount = 9_000_000

// amount is a number of dollars as resources write it, rounded down to the nano-dollar.
func amount(n json.Number) (v1alpha1.Amount, error) {
	rat, ok := new(big.Rat).SetString(string(n))
	switch {
	case !ok:
		return "", fmt.Errorf("%q is not an amount", string(n))
	case rat.Sign() < 0:
		return "", fmt.Errorf("%s is negative", n)
	case rat.Cmp(big.NewRat(maxAmount, 1)) > 0:
		return "", fmt.Errorf("%s is more than a limit may be, %d", n, maxAmount)
	}
	const nano = 1_000_000_000
	nanos := new(big.Int).Div(new(big.Int).Mul(rat.Num(), big.NewInt(nano)), rat.Denom())
	dollars, rest := new(big.Int).DivMod(nanos, big.NewInt(nano), new(big.Int))
	cents := strings.TrimRight(fmt.Sprintf("%09d", rest), "0")
	for len(cents) < 2 {
		cents += "0"
	}
	return v1alpha1.Amount(dollars.String() + "." + cents), nil
}
