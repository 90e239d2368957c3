package protocol

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
	"github.com/tiktoken-go/tokenizer/codec"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/price"
)

// outlook is what is known of an answer before it comes.
type outlook struct {
	// bound is the most that the call can use.
	bound     price.Usage
	tokenizer limiterv1.Tokenizer
	// hidden is whether the model may think without showing what; shown is whether it is
	// known that it does not, whatever it is called.
	hidden, shown bool
}

// What a provider may have generated and not sent when an answer was cut off: what came at
// once at the most, or more, by the pace at which the output came.
const (
	// assumedPace is the pace before it can be measured, and fastestPace the fastest that
	// is believed, in tokens a second: what comes faster was not generated as it came.
	assumedPace, fastestPace = 100, 1000
	// pause is how long a provider that sends as it generates may be silent. A longer
	// silence may be one in which it generated what it sends in one piece, such as the
	// arguments of a tool.
	pause = time.Second
)

// What a model generates beside what is seen of it.
const (
	// perMessage is for the end of a message.
	perMessage = 2
	// perToolCall is for what says in the model's own terms that a tool is called.
	perToolCall = 16
)

// maxWaiting is how many bytes of text wait to be tokenized at most: most answers come to
// their end, and what they used is known without it.
const maxWaiting = 16 << 10

// endOfPiece ends a piece of text among those that wait. No text in UTF-8 has it.
const endOfPiece = 0xff

// seen is the most that a call can have used by what has come of its streamed answer.
//
// Output is counted as it comes: by the tokenizer of the model, if it has one, piece by
// piece, since providers cut a stream between tokens; else a token a byte, as no token
// stands for less. What the provider has reported of it meanwhile takes the place of what
// was counted until then.
type seen struct {
	outlook
	// frames is how many frames with data have come, and frame is what was seen in the last.
	frames int64
	frame  frameSeen
	// waiting are pieces of text that are not counted yet.
	waiting []byte
	// texts is how many bytes of text were counted.
	texts int64
	// spoken are the tokens since the last report, reported those that it told of, and all
	// those of the answer.
	spoken, reported, all int64
	// atOnce is how many tokens came at once at the most since the last report, reportedAtOnce
	// by how many two reports differed.
	atOnce, reportedAtOnce int64
	// now is when the piece came that is being read, first and last when the first and the last of
	// the output came.
	now, first, last time.Time
	// finished is whether no more output is to come.
	finished bool
	// modelNamed is whether the name of the model that answers was seen.
	modelNamed bool
	// named are the properties of the call that the answer names, the usual ones among them.
	named price.Properties
	// served is the service tier, once the provider has said it.
	served price.ServiceTier
}

// frameSeen is what was seen in a frame.
type frameSeen struct {
	// repeats is whether a frame that is the same except for its text tells of no more than the text.
	repeats bool
	// pieces is how often output was counted, and text where the last text of it is in the data,
	// if it is a string.
	pieces int
	text   span
	// spoke is whether there was output in it, if that is told apart from reports of output.
	spoke bool
}

// nextFrame begins a frame with data.
func (s *seen) nextFrame() { s.frames, s.frame = s.frames+1, frameSeen{} }

// again takes a frame that says what one before it said, except for its text.
func (s *seen) again(text []byte) {
	s.nextFrame()
	s.text(view(text))
}

// varies is what may differ between the last frame, whose data this is, and one that says no more
// except for its text: the text, and the members with these names, if any, that number and pad
// frames. It is nothing if the last frame said more than text, or is no JSON, in which text cannot be
// told apart.
func (s *seen) varies(data []byte, number, pad string) []varying {
	f := s.frame
	if !f.repeats || f.pieces != 1 || f.text.isEmpty() || !gjson.ValidBytes(data) {
		return nil
	}
	all := []varying{{someText, f.text}}
	if member := gjson.GetBytes(data, number); number != "" && member.Type == gjson.Number {
		all = append(all, varying{someNumber, span{member.Index, member.Index + len(member.Raw)}})
	}
	if inside := insideOf(gjson.GetBytes(data, pad)); pad != "" && !inside.isEmpty() {
		all = append(all, varying{padding, inside})
	}
	slices.SortFunc(all, func(a, b varying) int { return a.from - b.from })
	return all
}

// insideOf is where the inside of a string without escapes is; the zero span for any other value.
func insideOf(value gjson.Result) span {
	if value.Type != gjson.String || len(value.Raw) != len(value.Str)+len(`""`) {
		return span{}
	}
	return span{value.Index + 1, value.Index + 1 + len(value.Str)}
}

// tokens counts tokens of which there is no text.
func (s *seen) tokens(n int64) {
	if n == 0 {
		return
	}
	s.came()
	s.spoken, s.all = min(s.spoken+n, price.MaxTokens), min(s.all+n, price.MaxTokens)
}

// arrive begins a piece of the answer, all of which has come at once.
func (s *seen) arrive() { s.now = time.Now() }

func (s *seen) came() {
	s.frame.pieces++
	s.last = s.now
	if s.first.IsZero() {
		s.first = s.last
	}
}

func (s *seen) add(tokens int64) {
	s.spoken, s.all = min(s.spoken+tokens, price.MaxTokens), min(s.all+tokens, price.MaxTokens)
	s.atOnce = max(s.atOnce, tokens)
}

// count counts the text that waits.
func (s *seen) count() {
	for rest := s.waiting; len(rest) > 0; {
		piece, next, _ := bytes.Cut(rest, []byte{endOfPiece})
		s.add(countText(tokenizers[s.tokenizer](), string(piece)))
		rest = next
	}
	s.waiting = s.waiting[:0]
}

// progress is how far the answer has come, where ended says that no more output is to come,
// and open that a frame has begun and not ended.
func (s *seen) progress(ended, open bool) Progress {
	switch {
	case ended:
		return OutputEnded
	case s.frames > 0 || open:
		return Underway
	}
	return NotBegun
}

// tokensOf is a number of tokens in a usage; 0 where it is none.
func tokensOf(value gjson.Result) int64 {
	if value.Type != gjson.Number {
		return 0
	}
	n, _ := wholeNumber(value)
	return n
}

// report notes how much output the provider says that there is so far. A report that is no
// higher than the one before it does not count.
func (s *seen) report(output int64) {
	since := output - s.reported
	if since <= 0 || output > price.MaxTokens {
		return
	}
	s.came()
	s.count()
	s.all = max(0, s.all-s.spoken) + since
	s.reportedAtOnce = max(s.reportedAtOnce, since)
	s.reported, s.spoken, s.atOnce = output, 0, 0
}

// most is the most that the call can have used. told is what the provider has told so far of
// what it used, if anything: all of the input, and output that is not less.
func (s *seen) most(told price.Usage, ok bool, events *eventStream, cut Cut) (price.Usage, bool) {
	if s.frames == 0 && !events.open() {
		return price.Usage{}, false
	}
	if !ok {
		told = s.bound
		told.Output, told.AudioOutput, told.ImageOutput = 0, 0, 0
	}
	told.Billed, told.Uses = 0, mostUses(told.Uses, s.bound.Uses)        // what was used beside tokens is told at the end
	told.Properties = s.named.Or(told.Properties).Or(s.bound.Properties) // where the answer does not say, the request does
	told.ServiceTier = cmp.Or(told.ServiceTier, s.served)
	reported, limit := outputOf(told), outputOf(s.bound)
	more := max(0, min(s.output(events, cut), limit)-reported)
	switch {
	case s.bound.AudioOutput > 0:
		told.AudioOutput += max(0, limit-reported) // how much sound there is cannot be seen
	case told.ImageOutput > 0:
		told.ImageOutput += more
	default:
		told.Output += more
	}
	return told, true
}

// mostUses are the higher of both counts of each.
func mostUses(a, b price.Uses) price.Uses {
	most, err := a.Counts()
	more, badMore := b.Counts()
	if err != nil || badMore != nil || len(most) == 0 {
		return b
	}
	for name, n := range more {
		most[name] = max(most[name], n)
	}
	return price.UsesOf(most)
}

func outputOf(u price.Usage) int64 { return u.Output + u.AudioOutput + u.ImageOutput }

// output is the most output that there can have been, without regard to its bound.
func (s *seen) output(events *eventStream, cut Cut) int64 {
	if s.hidden && s.reported == 0 {
		return price.MaxTokens
	}
	s.count()
	// A frame that was cut off has no more text than the largest, and what is longer of it.
	output := s.reported + s.spoken + events.unread + int64(max(0, len(events.frame)-events.largest))
	switch {
	case !s.finished:
		return output + perMessage + s.unsent(cut)
	case s.reported > 0 && s.spoken == 0:
		return output // of which all was told
	}
	return output + perMessage
}

// unsent is how many tokens the provider may have generated that have not come.
func (s *seen) unsent(cut Cut) int64 {
	quiet := cut.At.Sub(s.last)
	if s.first.IsZero() || quiet < pause {
		quiet = 0
	}
	pace := int64(assumedPace)
	if lasted := s.last.Sub(s.first); lasted > 0 {
		pace = min(s.all*int64(time.Second)/int64(lasted), fastestPace)
	}
	inFlight := min(tokensIn(cut.Ahead, pace), s.all+tokensIn(cut.Ahead, assumedPace))
	return max(s.atOnce, s.reportedAtOnce, 1, inFlight+tokensIn(quiet, max(pace, assumedPace)))
}

// tokensIn is how many tokens come in a time, rounded up.
func tokensIn(d time.Duration, pace int64) int64 {
	return (d.Milliseconds()*pace + 999) / 1000
}

// countText is how many tokens a text is by a tokenizer of OpenAI's, where it is known to
// begin and to end between tokens.
func countText(tokenizer *codec.Codec, text string) (tokens int64) {
	if strings.ContainsRune(text, '\uFFFD') {
		return int64(len(text))
	}
	for start := 0; start < len(text); {
		end := nextWord(text, start+1)
		tokens += boundWord(tokenizer, text[start:end], false)
		start = end
	}
	return tokens
}

// dearestOf is the most that a call of the model can cost by what it can have used: in the
// service tier in which it was served, or, where that is not known, in the dearest of those
// in which it may have been.
//
// A call may go on to use what its request does not bound, as often as any call may.
func dearestOf(model limiterv1.Model, tier serviceTier, bounded price.Uses) func(price.Usage) (money.Nanos, error) {
	inRequest, _ := bounded.Counts()
	return func(used price.Usage) (money.Nanos, error) {
		uses, _ := used.Uses.Counts()
		any, _ := model.Prices[price.Default].AnyCallUses.Counts()
		most := map[string]int64{}
		for name, n := range inRequest {
			if n == 0 {
				most[name] = 0
			}
		}
		for name, n := range uses {
			if _, inBound := inRequest[name]; !inBound {
				n = max(n, any[name])
			}
			most[name] = n
		}
		used.Uses = price.AtMost(most)
		tiers := tier.possible(model)
		if used.ServiceTier != "" {
			tiers = []price.ServiceTier{used.ServiceTier}
		}
		return model.Prices.Dearest(used, tiers...)
	}
}

// hides is whether the model may think without showing what, by what its ModelProvider says,
// or else by its name.
func hides(model limiterv1.Model) (hidden, shown bool) {
	switch model.Reasoning {
	case limiterv1.ReasoningHidden:
		return true, false
	case limiterv1.ReasoningShown:
		return false, true
	}
	return thinksHidden(model.UpstreamName), false
}

// servedIn notes in which service tier the call is served. "auto" says what was asked for.
func (s *seen) servedIn(tier gjson.Result) {
	if tier.Type == gjson.String && tier.Str != "" && tier.Str != "auto" {
		s.served = tierNamed(tier.Str)
	}
}

// thinkers are how names of models begin that are known to think without showing it.
var thinkers = []string{"o1", "o3", "o4", "gpt-5", "gpt-6", "gpt-7", "codex", "computer-use", "grok-4", "gemini-2.5", "gemini-3"}

// thinksHidden is whether a model by that name is known to think without showing what. A
// gateway may put the maker's name before it.
func thinksHidden(name string) bool {
	name = strings.ToLower(name[strings.LastIndexByte(name, '/')+1:])
	for _, thinker := range thinkers {
		if strings.HasPrefix(name, thinker) {
			return true
		}
	}
	return false
}

// name notes the name of the model that answers, which tells more than the one that
// was asked for: a deployment, or an alias, may be called anything.
func (s *seen) name(model gjson.Result) {
	if model.Str != "" { // Azure's first chunk has an empty one
		s.modelNamed = true
		s.hidden = s.hidden || !s.shown && thinksHidden(model.Str)
	}
}

// asksToThink reports whether a model thinks that is told this about its reasoning; byItself is
// whether it thinks if it is told nothing.
func asksToThink(value gjson.Result, byItself bool) bool {
	effort, kind := value.Str, ""
	if value.IsObject() {
		effort, kind = value.Get("effort").Str, value.Get("type").Str
	}
	switch {
	case effort == "none" || kind == "disabled" || value.Type == gjson.False:
		return false
	case effort != "" || kind != "" || value.Type == gjson.True || value.Get("max_tokens").Exists() || value.Get("enabled").Bool():
		return true
	}
	return byItself
}
