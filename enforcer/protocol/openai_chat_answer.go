package protocol

import (
	"bytes"
	"cmp"

	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/api/price"
)

// chatKnown are the members of OpenAI's usage, and those that compatible providers add:
// other spellings of what is read from the cache and written to it (DeepSeek, Moonshot,
// Mistral, Qwen, gateways to Anthropic), and how long things took (Groq, SambaNova).
var chatKnown = knownMembers{
	"prompt_tokens": counted, "completion_tokens": counted, "total_tokens": counted,
	"prompt_tokens_details":     chatInputKnown,
	"prompt_token_details":      {"cached_tokens": counted},
	"completion_tokens_details": chatOutputKnown,
	"cached_tokens":             counted, "num_cached_tokens": counted,
	"prompt_cache_hit_tokens": counted, "prompt_cache_miss_tokens": neutral,
	"cache_read_input_tokens": counted, "cache_creation_input_tokens": counted,

	"queue_time": neutral, "prompt_time": neutral, "completion_time": neutral, "total_time": neutral,
	"start_time": neutral, "end_time": neutral, "time_to_first_token": neutral, "total_latency": neutral, "acceptance_rate": neutral,
	"total_tokens_per_sec": neutral, "completion_tokens_per_sec": neutral, "completion_tokens_after_first_per_sec": neutral,
	"completion_tokens_after_first_per_sec_first_ten": neutral, "completion_tokens_after_first_per_sec_graph": neutral,
	"is_last_response": neutral, "stop_reason": neutral,
	"market_cost": neutral, "service_tier": counted,
}.plus(costKnown)

var chatInputKnown = knownMembers{
	"cached_tokens": counted, "audio_tokens": counted, "text_tokens": neutral, "image_tokens": neutral, "video_tokens": neutral,
	"cache_write_tokens": counted, "cache_creation_tokens": counted, "cache_creation_input_tokens": counted,
	"cache_creation": {"ephemeral_5m_input_tokens": neutral, "ephemeral_1h_input_tokens": counted}, "cache_type": neutral,
}

var chatOutputKnown = knownMembers{
	"reasoning_tokens": counted, "audio_tokens": counted, "image_tokens": counted, "text_tokens": neutral,
	"accepted_prediction_tokens": neutral, "rejected_prediction_tokens": neutral,
}

// chatUsage reads a usage.
func chatUsage(n *numbers, served price.ServiceTier) price.Usage {
	prompt, completion := n.must("prompt_tokens"), n.must("completion_tokens")
	const details = "prompt_tokens_details."
	cached := n.spelled(details+"cached_tokens", "cached_tokens", "num_cached_tokens", "prompt_token_details.cached_tokens",
		"prompt_cache_hit_tokens", "cache_read_input_tokens")
	wrote := n.spelled(details+"cache_write_tokens", details+"cache_creation_tokens", details+"cache_creation_input_tokens",
		"cache_creation_input_tokens")
	wrote1h, heard := n.may(details+"cache_creation.ephemeral_1h_input_tokens"), n.may(details+"audio_tokens")
	spoken, drawn := n.may("completion_tokens_details.audio_tokens"), n.may("completion_tokens_details.image_tokens")
	completion = n.withThoughts(prompt, completion)
	used := price.Usage{
		Input: prompt - cached - wrote - heard, CachedInput: cached, AudioInput: heard,
		CacheWrite5m: wrote - wrote1h, CacheWrite1h: wrote1h,
		Output: completion - spoken - drawn, AudioOutput: spoken, ImageOutput: drawn, ServiceTier: served,
	}
	used.Reasoning = min(max(used.Output, 0), n.may("completion_tokens_details.reasoning_tokens"))
	return used
}

// withThoughts is the output with the model's thoughts. Some compatible providers bill thoughts
// as output, but count them in total_tokens only, not in completion_tokens.
func (n *numbers) withThoughts(prompt, completion int64) int64 {
	total, thoughts := n.may("total_tokens"), n.may("completion_tokens_details.reasoning_tokens")
	switch {
	case total > 0 && total < prompt+completion:
		n.doubtOf("its total_tokens is %d, and its parts are %d", total, prompt+completion)
	case total > 0:
		completion = max(completion, total-prompt)
	}
	if thoughts > completion && (total == 0 || completion == 0) {
		n.doubtOf("its reasoning_tokens are %d, of %d completion_tokens", thoughts, completion)
	}
	return completion
}

// speaks is whether a choice of an answer, or of a chunk of one, has output.
func speaks(choice gjson.Result) bool {
	for _, of := range []gjson.Result{choice.Get("message"), choice.Get("delta")} {
		for _, name := range []string{"content", "refusal", "reasoning", "reasoning_content", "reasoning_details", "tool_calls", "function_call", "audio", "images"} {
			if hasSomething(of.Get(name)) {
				return true
			}
		}
	}
	return hasSomething(choice.Get("text"))
}

// speaksIn is whether any choice of an answer, or of a chunk of one, has output.
func speaksIn(answer gjson.Result) (any bool) {
	answer.Get("choices").ForEach(func(_, choice gjson.Result) bool {
		any = speaks(choice)
		return !any
	})
	return any
}

// hasSomething is whether a value is a text, an array or an object that is not empty.
func hasSomething(value gjson.Result) bool {
	if value.IsArray() || value.IsObject() {
		some := false
		value.ForEach(func(_, _ gjson.Result) bool { some = true; return false })
		return some
	}
	return value.Str != ""
}

// chatJudged says what a call used by the usage of its answer.
func chatJudged(b bill, usage, served, model gjson.Result, spoke bool) reading {
	n := numbers{of: usage}
	used := chatUsage(&n, b.tier.served(n.oneTier(served, usage.Get("service_tier"))))
	return b.judge(&n, statement{usage: usage, known: chatKnown, used: used, model: model, spoke: spoke})
}

func wholeChat(b bill) Answer {
	return newWholeAnswer(b, "model", func(members *memberScanner) reading {
		spoke := members.long("choices")
		members.member("choices").ForEach(func(_, choice gjson.Result) bool {
			spoke = spoke || speaks(choice)
			return !spoke
		})
		return chatJudged(b, members.member("usage"), members.member("service_tier"), members.member("model"), spoke)
	}, "usage", "service_tier", "choices")
}

// chatStream is a streamed answer.
//
// Where the client did not ask for the usage, it sees what it would have seen had
// nobody asked: the extra chunk with the usage is left out, and of all others the
// "usage":null that came with asking.
type chatStream struct {
	events eventStream
	seen   chatSeen
	hide   bool
	bill   bill
	// choices are those that have come to their ends.
	choices ends

	cut, done bool
	// spoke is whether there was output, and since whether there was some after the usage,
	// which was a running one then.
	spoke, since bool
	// repeats is whether the last chunk told nothing of usage, nor of ends.
	repeats bool

	usage, served, model gjson.Result
	// last is whether usage came in the extra chunk, after which there is no more
	// of it; elsewhere it may be a running total.
	last bool
	// doubt is what is wrong with the usage.
	doubt string
	got   *reading
}

func newChatStream(hideUsage bool, b bill, choices int64, seen chatSeen) *chatStream {
	s := &chatStream{seen: seen, hide: hideUsage, bill: b, choices: endsOf(choices)}
	s.seen.choices = endsOf(choices)
	s.events = eventStream{arrive: s.seen.arrive, read: s.read, hiding: hideUsage, tap: s.seen.chunk, varies: s.varies, again: s.again}
	return s
}

func (s *chatStream) Pass(chunk []byte) []byte { return s.events.pass(chunk) }

func (s *chatStream) End(cut bool) []byte {
	s.cut = cut
	return s.events.end(cut)
}

// Unfinished is whether the stream ended before its end. Some compatible providers do not
// close a stream with [DONE], but then with the usage that was asked for, or with the ends of
// all choices. What follows [DONE] is not missed.
func (s *chatStream) Unfinished() bool {
	return !s.done && (s.cut || (!s.last || s.since) && !s.choices.all())
}

func (s *chatStream) Progress() Progress { return s.seen.progress(s.seen.finished, s.events.open()) }

func (s *chatStream) Seen(cut Cut) (price.Usage, bool) {
	if s.bill.isPricedApart(s.model.Str) {
		return price.Usage{}, false
	}
	told, ok := chatJudged(s.bill, s.usage, s.served, s.model, s.spoke).usage()
	return s.seen.most(told, ok && s.doubt == "", &s.events, cut)
}

func (s *chatStream) Problem(body []byte) ([]byte, bool) {
	return s.events.interject("", body), false
}

func (s *chatStream) Usage() (price.Usage, bool) { return s.reading().usage() }
func (s *chatStream) Doubt() string              { return s.reading().doubt }
func (s *chatStream) AtLeast() price.Usage       { return s.reading().used }

func (s *chatStream) reading() reading {
	switch {
	case s.got != nil:
	case s.Unfinished() && (!s.last || s.since):
		s.got = &reading{doubt: doubtCut}
	case s.doubt != "":
		s.got = &reading{doubt: s.doubt}
	default:
		got := chatJudged(s.bill, s.usage, s.served, s.model, s.spoke)
		if s.since {
			got = got.running()
		}
		s.got = &got
	}
	return *s.got
}

var (
	doneData     = []byte("[DONE]")
	usageName    = []byte(`"usage"`)
	finishReason = []byte(`"finish_reason"`)
)

func (s *chatStream) read(data []byte) hidden {
	if bytes.Equal(bytes.TrimSpace(data), doneData) {
		s.done = true
	}
	counts := bytes.Contains(data, usageName)
	var usage gjson.Result
	if counts {
		usage = gjson.GetBytes(data, "usage")
	}
	s.repeats = s.spoke && !finishes(data) && (!counts || usage.Raw == "null")
	if s.repeats { // nearly all chunks
		s.since = s.since || s.usage.Exists() && (s.seen.frame.spoke || speaksIn(gjson.ParseBytes(data)))
		if !counts {
			return hidden{}
		}
		return s.nullIn(data, usage)
	}
	if chunk, err := parseEvent(data); err == nil {
		s.readChunk(chunk)
		if counts {
			return s.readUsage(chunk, data)
		}
	}
	return hidden{}
}

// varies is what may differ in a chunk that tells no more than the last one, except for its text.
func (s *chatStream) varies(data []byte) []varying {
	if !s.repeats || !speaksIn(gjson.Parse(view(data))) {
		return nil
	}
	return s.seen.varies(data)
}

// again takes a chunk that says what one before it said, except for its text.
func (s *chatStream) again(v values) {
	s.seen.again(v)
	s.since = s.since || s.usage.Exists()
}

// finishes is whether a chunk may say that a choice has come to its end.
func finishes(data []byte) bool {
	for {
		i := bytes.Index(data, finishReason)
		if i < 0 {
			return false
		}
		data = bytes.TrimLeft(data[i+len(finishReason):], ": \t")
		if !bytes.HasPrefix(data, []byte("null")) {
			return true
		}
	}
}

func (s *chatStream) readChunk(chunk gjson.Result) {
	if model := chunk.Get("model"); model.Str != "" {
		s.model = model
	}
	if tier := chunk.Get("service_tier"); tier.Type != gjson.Null {
		n := numbers{}
		s.served = n.oneTier(s.served, tier)
		s.doubt = cmp.Or(s.doubt, n.doubt)
	}
	speaks := speaksIn(chunk)
	s.spoke, s.since = s.spoke || speaks, s.since || s.usage.Exists() && (speaks || s.seen.frame.spoke)
	chunk.Get("choices").ForEach(func(_, choice gjson.Result) bool {
		if choice.Get("finish_reason").Type == gjson.String {
			s.choices.note(choice.Get("index").Int())
		}
		return true
	})
}

// readUsage reads the usage in a chunk, and returns what of it the client is not to see.
func (s *chatStream) readUsage(chunk gjson.Result, data []byte) hidden {
	if isTwice(chunk, "usage") {
		s.doubt = doubtTwice
	}
	choices := chunk.Get("choices")
	if usage := gjson.GetBytes(data, "usage"); usage.Type == gjson.Null {
		s.take(choices.Get("0.usage"))
		if s.choices.of > 1 && choices.Get("0.usage").IsObject() {
			s.doubt = "it stands in one of several choices"
		}
		return s.nullIn(data, usage)
	} else if !usage.IsObject() {
		return hidden{}
	}
	s.take(chunk.Get("usage"))
	s.last = choices.IsArray() && !hasSomething(choices)
	return hidden{all: s.last && s.hide}
}

// take takes a usage in the place of the one before it, if any. A usage that counts nothing
// replaces none.
func (s *chatStream) take(usage gjson.Result) {
	if !usage.IsObject() || s.usage.Exists() && !countsSomething(usage) {
		return
	}
	for _, name := range []string{"prompt_tokens", "completion_tokens"} {
		if usage.Get(name).Num < s.usage.Get(name).Num {
			s.doubt = "a later one has fewer " + name + " than an earlier one"
		}
	}
	s.usage, s.since = usage, false
}

// nullIn is where "usage":null stands in a chunk of a client that did not ask for usage, with the
// comma that goes with it.
func (s *chatStream) nullIn(data []byte, null gjson.Result) hidden {
	start, end := bytes.LastIndex(data[:null.Index], usageName), null.Index+len(null.Raw)
	if !s.hide || null.Raw != "null" || start < 0 || len(bytes.Trim(data[start+len(usageName):null.Index], ": \t")) > 0 {
		return hidden{}
	}
	before, after := bytes.TrimRight(data[:start], " \t"), bytes.TrimLeft(data[end:], " \t")
	switch {
	case bytes.HasSuffix(before, []byte{','}):
		start = len(before) - 1
	case bytes.HasPrefix(after, []byte{','}):
		end = len(data) - len(after) + 1
	}
	return hidden{span: span{start, end}}
}
