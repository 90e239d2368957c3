package protocol

import (
	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/api/price"
)

// wholeAnswer is an answer that comes as one JSON object. It passes as it comes.
type wholeAnswer struct {
	members *memberScanner
	// read reads the usage among the members.
	read func(*memberScanner) (price.Usage, bool)
	cut  bool
}

// newWholeAnswer is a wholeAnswer of which the named members are wanted.
func newWholeAnswer(read func(*memberScanner) (price.Usage, bool), names ...string) *wholeAnswer {
	return &wholeAnswer{members: newMemberScanner(names...), read: read}
}

func (a *wholeAnswer) Pass(chunk []byte) []byte {
	a.members.scan(chunk)
	return chunk
}

func (a *wholeAnswer) End(cut bool) []byte           { a.cut = cut; return nil }
func (a *wholeAnswer) Unfinished() bool              { return a.cut }
func (a *wholeAnswer) Problem([]byte) ([]byte, bool) { return nil, true }

func (a *wholeAnswer) Usage() (price.Usage, bool) {
	if a.cut {
		return price.Usage{}, false
	}
	return a.read(a.members)
}

// numbers reads the numbers of a usage, and remembers whether one of them could
// not be read.
type numbers struct {
	of     gjson.Result
	broken bool
}

// must is a number that must be there.
func (n *numbers) must(path string) int64 { return n.read(n.of.Get(path)) }

func (n *numbers) read(number gjson.Result) int64 {
	value, ok := wholeNumber(number)
	n.broken = n.broken || !ok || value > price.MaxTokens
	return value
}

// may is a number that may be absent, or null, which is 0.
func (n *numbers) may(path string) int64 { return n.readIfAny(n.of.Get(path)) }

func (n *numbers) readIfAny(number gjson.Result) int64 {
	if number.Type == gjson.Null {
		return 0
	}
	return n.read(number)
}

// modality is how many tokens of a modality an array of {modality, tokenCount} has.
func (n *numbers) modality(path, modality string) (tokens int64) {
	n.of.Get(path).ForEach(func(_, part gjson.Result) bool {
		if part.Get("modality").Str == modality {
			tokens += n.readIfAny(part.Get("tokenCount"))
		}
		return true
	})
	return tokens
}

// mayElse0 is a number on which no money depends.
func (n *numbers) mayElse0(path string) int64 {
	value, _ := wholeNumber(n.of.Get(path))
	return value
}

// believable is the usage that was made of the numbers, and whether it can be.
func (n *numbers) believable(used price.Usage) (price.Usage, bool) {
	if n.broken || used.Validate() != nil {
		return price.Usage{}, false
	}
	return used, true
}
