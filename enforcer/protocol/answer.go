package protocol

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/api/price"
)

// doubtCut is the doubt about the cost of an answer whose end has not come.
const doubtCut = "the answer was cut off"

// doubtRunning is the doubt about a usage that was not the last word.
const doubtRunning = "more output came after it"

// doubtTwice is the doubt about a usage that is in its place twice: parsers differ in which
// one they take.
const doubtTwice = "it stands there twice"

// isTwice is whether an object has a member of that name twice.
func isTwice(object gjson.Result, name string) bool {
	n := 0
	object.ForEach(func(key, _ gjson.Result) bool {
		if key.Str == name {
			n++
		}
		return n < 2
	})
	return n > 1
}

// Doubt is why the usage of an answer is not believed; empty where it is, and where the
// answer cannot say.
// REQUIRES: End was called.
func Doubt(answer Answer) string {
	if doubtful, ok := answer.(interface{ Doubt() string }); ok {
		return doubtful.Doubt()
	}
	return ""
}

// AtLeast is the least that a call has used, by a usage that is not believed; zero if the answer
// cannot say. REQUIRES: End was called.
func AtLeast(answer Answer) price.Usage {
	if doubtful, ok := answer.(interface{ AtLeast() price.Usage }); ok {
		return doubtful.AtLeast()
	}
	return price.Usage{}
}

// wholeAnswer is an answer that comes as one JSON object. Its bytes pass through as they come.
type wholeAnswer struct {
	members *memberScanner
	// read reads the usage among the members.
	read func(*memberScanner) reading
	// bill is how the call is billed, and model where the answer names its model: a member, or
	// a path within one.
	bill  bill
	model string
	cut   bool
	got   *reading
}

// newWholeAnswer is a wholeAnswer that names its model at a path, and of which the named members
// are wanted as well.
func newWholeAnswer(b bill, model string, read func(*memberScanner) reading, names ...string) *wholeAnswer {
	member, _, _ := strings.Cut(model, ".")
	return &wholeAnswer{members: newMemberScanner(append(names, member)...), read: read, bill: b, model: model}
}

func (a *wholeAnswer) Pass(chunk []byte) []byte {
	a.members.scan(chunk)
	return chunk
}

func (a *wholeAnswer) End(cut bool) []byte           { a.cut = cut; return nil }
func (a *wholeAnswer) Unfinished() bool              { return a.cut }
func (a *wholeAnswer) Problem([]byte) ([]byte, bool) { return nil, true }

func (a *wholeAnswer) Usage() (price.Usage, bool) { return a.reading().usage() }
func (a *wholeAnswer) Doubt() string              { return a.reading().doubt }
func (a *wholeAnswer) AtLeast() price.Usage       { return a.reading().used }

func (a *wholeAnswer) reading() reading {
	if a.got == nil {
		got := reading{doubt: doubtCut}
		if !a.cut {
			got = a.read(a.members)
		}
		a.got = &got
	}
	return *a.got
}

// Opaque reports whether the part of an answer that has come names a model for which its length
// does not bound the cost of the call: one that hides its thoughts, or has other prices.
func (a *wholeAnswer) Opaque() bool {
	member, within, nested := strings.Cut(a.model, ".")
	model := gjson.ParseBytes(a.members.found[member])
	if nested {
		model = model.Get(within)
	}
	_, shown := hides(a.bill.model)
	return !shown && thinksHidden(model.Str) || a.bill.isPricedApart(model.Str)
}

// Progress is NotBegun: of a part of a whole answer, nobody can say what it cost.
func (a *wholeAnswer) Progress() Progress { return NotBegun }

// Seen is nothing, for the same reason.
func (a *wholeAnswer) Seen(Cut) (price.Usage, bool) { return price.Usage{}, false }

// numbers reads the numbers of a usage, and remembers what is wrong with the first of them
// that cannot be what it counts.
type numbers struct {
	of    gjson.Result
	doubt string
	// members are those of the object that it is of, once one of them was asked for.
	members []member
}

// usualMembers is no less than what most usages have.
const usualMembers = 8

// get is what is at a path.
func (n *numbers) get(path string) gjson.Result {
	if n.members == nil {
		n.members = make([]member, 0, usualMembers)
		n.of.ForEach(func(key, value gjson.Result) bool {
			n.members = append(n.members, member{name: key.Str, value: value})
			return true
		})
	}
	name, within, nested := strings.Cut(path, ".")
	for i := range n.members {
		if m := &n.members[i]; m.name == name && nested {
			return m.value.Get(within)
		} else if m.name == name {
			return m.value
		}
	}
	return gjson.Result{}
}

// must is a number that must be there.
func (n *numbers) must(path string) int64 {
	number := n.get(path)
	if !number.Exists() {
		n.doubtOf("it has no %s", path)
	}
	return n.readNamed(path, number)
}

func (n *numbers) doubtOf(format string, args ...any) {
	if n.doubt == "" {
		n.doubt = fmt.Sprintf(format, args...)
	}
}

// read reads a number that must be whole.
func (n *numbers) read(number gjson.Result) int64 { return n.readNamed("", number) }

func (n *numbers) readNamed(name string, number gjson.Result) int64 {
	value, ok := wholeNumber(number)
	if !ok || value > price.MaxTokens {
		n.doubtOf("its %s is no number of tokens: %s", cmp.Or(name, "usage"), clipped(number.Raw))
	}
	return value
}

// may is a number that may be absent, or null, which is 0.
func (n *numbers) may(path string) int64 {
	number := n.get(path)
	if number.Type == gjson.Null {
		return 0
	}
	return n.readNamed(path, number)
}

func (n *numbers) readIfAny(number gjson.Result) int64 {
	if number.Type == gjson.Null {
		return 0
	}
	return n.read(number)
}

// spelled is a number that providers have under several names, any of which may be there. One
// that is 0 does not count; all others must be the same.
func (n *numbers) spelled(paths ...string) (value int64) {
	for _, path := range paths {
		also := n.may(path)
		if value != 0 && also != 0 && also != value {
			n.doubtOf("its %s is %d, and by another name %d", path, also, value)
		}
		value = max(value, also)
	}
	return value
}

// modality is how many tokens of a modality an array of {modality, tokenCount} has.
func (n *numbers) modality(path, modality string) (tokens int64) {
	n.get(path).ForEach(func(_, part gjson.Result) bool {
		if part.Get("modality").Str == modality {
			tokens += n.readIfAny(part.Get("tokenCount"))
		}
		return true
	})
	return tokens
}

// mayElse0 is a number on which no money depends; 0 if it is not there, or not whole.
func (n *numbers) mayElse0(path string) int64 {
	value, _ := wholeNumber(n.get(path))
	return value
}
