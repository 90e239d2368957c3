package protocol

import (
	"bytes"

	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/api/price"
)

// vercelKnown are the members of a usage from specification 3 on, and vercelKnown2 those in 2.
// raw is the same as the provider behind the gateway has told it.
var (
	vercelKnown = knownMembers{
		"inputTokens":  {"total": counted, "noCache": neutral, "cacheRead": counted, "cacheWrite": counted},
		"outputTokens": {"total": counted, "text": neutral, "reasoning": counted},
		"raw":          neutral,
	}
	vercelKnown2 = knownMembers{
		"inputTokens": counted, "outputTokens": counted, "totalTokens": counted, "reasoningTokens": counted, "cachedInputTokens": counted,
		"raw": neutral,
	}
)

// vercelAnswer is what an answer says that bears on what the call cost.
type vercelAnswer struct {
	// usage is nothing until it has come, and metadata is what providers, and the gateway,
	// tell of the call.
	usage, metadata gjson.Result
	// model is the model that a provider says it has asked.
	model gjson.Result
	spoke bool
}

// judged says what a call used by its answer.
func (a vercelAnswer) judged(b bill) reading {
	n := numbers{of: a.usage}
	s := statement{usage: a.usage, known: vercelKnown, model: a.model, spoke: a.spoke, cost: a.metadata.Get("gateway")}
	if name := a.metadata.Get("gateway.routing.canonicalSlug"); name.Type == gjson.String {
		s.model = name // hosts have names of their own for a model
	}
	if a.usage.Get("inputTokens").IsObject() {
		s.used = vercelUsage(&n)
	} else {
		s.used, s.known = a.usage2(&n, isClaude(b.model)), vercelKnown2
	}
	s.used.ServiceTier = b.tier.served(a.servedIn())
	return b.judge(&n, s)
}

// servedIn is the service tier by a provider's word.
func (a vercelAnswer) servedIn() gjson.Result {
	for _, path := range []string{"openai.serviceTier", "azure.serviceTier"} {
		if tier := a.metadata.Get(path); tier.Type == gjson.String {
			return tier
		}
	}
	return gjson.Result{}
}

// vercelUsage reads a usage from specification 3 on.
func vercelUsage(n *numbers) price.Usage {
	input, output := n.must("inputTokens.total"), n.must("outputTokens.total")
	read, wrote := n.may("inputTokens.cacheRead"), n.may("inputTokens.cacheWrite")
	used := price.Usage{Input: input - read - wrote, CachedInput: read, CacheWrite5m: wrote, Output: output}
	used.Reasoning = min(output, n.may("outputTokens.reasoning"))
	return used
}

// usage2 reads a usage of specification 2, which leaves open what of its numbers contains what
// others count: of a model of Anthropic's, inputTokens are what is left beside the cache, and
// thoughts may be in totalTokens alone.
func (a vercelAnswer) usage2(n *numbers, beside bool) price.Usage {
	input, output, total := n.must("inputTokens"), n.must("outputTokens"), n.may("totalTokens")
	read, thoughts := n.may("cachedInputTokens"), n.may("reasoningTokens")
	wrote := n.readIfAny(a.metadata.Get("anthropic.cacheCreationInputTokens"))
	if total > 0 && total < input+output {
		n.doubtOf("its totalTokens is %d, and its parts are %d", total, input+output)
	}
	extra := total - input - output
	switch {
	case !beside && read+wrote <= input:
		input -= read + wrote
	case extra == read+wrote:
		extra = 0
	}
	if output += max(extra, 0); thoughts > output {
		n.doubtOf("its reasoningTokens are %d, of %d outputTokens", thoughts, output)
	}
	return price.Usage{Input: input, CachedInput: read, CacheWrite5m: wrote, Output: output, Reasoning: min(output, thoughts)}
}

func wholeVercel(b bill) Answer {
	return newWholeAnswer(b, "response.modelId", func(members *memberScanner) reading {
		content := members.member("content")
		return vercelAnswer{
			usage: members.member("usage"), metadata: members.member("providerMetadata"),
			model: members.member("response").Get("modelId"), spoke: members.long("content") || hasSomething(content),
		}.judged(b)
	}, "usage", "providerMetadata", "content")
}

// vercelStream is a streamed answer: its parts, of which the last has the usage. Nothing is
// changed.
type vercelStream struct {
	events eventStream
	seen   vercelSeen
	bill   bill
	answer vercelAnswer
	// done is whether the last part has come.
	done, cut bool
	// doubt is what is wrong with the usage.
	doubt string
	got   *reading
}

func newVercelStream(b bill, seen vercelSeen) *vercelStream {
	s := &vercelStream{bill: b, seen: seen}
	s.events = eventStream{arrive: s.seen.arrive, read: s.read, tap: s.seen.part, again: func(v values) { s.seen.again(v.text) }}
	s.events.varies = func(data []byte) []varying { return s.seen.varies(data, "", "") }
	return s
}

func (s *vercelStream) Pass(chunk []byte) []byte { return s.events.pass(chunk) }
func (s *vercelStream) End(cut bool) []byte      { s.cut = cut; return s.events.end(cut) }

// Unfinished is whether the stream ended before its last part.
func (s *vercelStream) Unfinished() bool { return !s.done }

func (s *vercelStream) Progress() Progress { return s.seen.progress(s.events.open()) }

func (s *vercelStream) Seen(cut Cut) (price.Usage, bool) {
	if s.bill.isPricedApart(s.answer.model.Str) {
		return price.Usage{}, false
	}
	told, ok := s.reading().usage()
	return s.seen.most(told, ok, &s.events, cut)
}

// Problem is a part that is an error.
func (s *vercelStream) Problem(body []byte) ([]byte, bool) {
	return s.events.interject("", bytes.TrimSpace(body)), false
}

func (s *vercelStream) Usage() (price.Usage, bool) { return s.reading().usage() }
func (s *vercelStream) Doubt() string              { return s.reading().doubt }
func (s *vercelStream) AtLeast() price.Usage       { return s.reading().used }

func (s *vercelStream) reading() reading {
	switch {
	case s.got != nil:
	case !s.done:
		return reading{doubt: doubtCut}
	case s.doubt != "":
		s.got = &reading{doubt: s.doubt}
	default:
		s.answer.spoke = !s.seen.first.IsZero()
		got := s.answer.judged(s.bill)
		s.got = &got
	}
	return *s.got
}

var (
	vercelFinish   = []byte(`"finish"`)
	vercelMetadata = []byte(`"response-metadata"`)
)

func (s *vercelStream) read(data []byte) hidden {
	if !bytes.Contains(data, vercelFinish) && !bytes.Contains(data, vercelMetadata) {
		return hidden{}
	}
	part, err := parseEvent(data)
	if err != nil {
		return hidden{}
	}
	switch part.Get("type").Str {
	case "response-metadata":
		if model := part.Get("modelId"); model.Type == gjson.String {
			s.answer.model = model
		}
	case "finish":
		s.done = true
		if isTwice(part, "usage") || isTwice(part, "providerMetadata") {
			s.doubt = doubtTwice
		}
		s.take(part.Get("usage"))
		if metadata := part.Get("providerMetadata"); metadata.IsObject() {
			s.answer.metadata = metadata
		}
	}
	return hidden{}
}

// take takes a usage in the place of the one before it, if any. A usage that counts nothing
// replaces none.
func (s *vercelStream) take(usage gjson.Result) {
	if s.answer.usage.Exists() && !countsSomething(usage) {
		return
	}
	for _, path := range []string{"inputTokens", "outputTokens", "inputTokens.total", "outputTokens.total"} {
		if usage.Get(path).Num < s.answer.usage.Get(path).Num {
			s.doubt = "a later one has fewer " + path + " than an earlier one"
		}
	}
	s.answer.usage = usage
}
