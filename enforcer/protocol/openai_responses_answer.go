package protocol

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/tidwall/gjson"
	"github.com/tidwall/sjson"

	"github.com/bursar-dev/bursar/api/price"
)

// responsesKnown are the members of OpenAI's usage, and those that compatible providers add.
var responsesKnown = knownMembers{
	"input_tokens": counted, "output_tokens": counted, "total_tokens": counted,
	"input_tokens_details": {
		"cached_tokens": counted, "cache_write_tokens": counted, "audio_tokens": counted,
		"cache_write_tokens_details": {"ttl_30m_tokens": neutral}, // others may have another price
		"text_tokens":                neutral, "image_tokens": neutral, "video_tokens": neutral,
	},
	"output_tokens_details": {
		"reasoning_tokens": counted, "audio_tokens": counted, "image_tokens": counted, "text_tokens": neutral,
	},
	"context_details": neutral, // how full the window is
	"service_tier":    counted,
}.plus(costKnown)

// toolUsageKnown has the searches that a model bills by the search.
var toolUsageKnown = knownMembers{"web_search": {"num_requests": counted}}

// responsesJudged says what a call used by what its response says, and by the number of searches
// among its items.
func responsesJudged(b bill, response func(name string) gjson.Result, spoke bool, searches int64) reading {
	n := numbers{of: response("usage")}
	input, output := n.must("input_tokens"), n.must("output_tokens")
	cached, wrote, heard := n.may("input_tokens_details.cached_tokens"), n.may("input_tokens_details.cache_write_tokens"), n.may("input_tokens_details.audio_tokens")
	spoken, drawn := n.may("output_tokens_details.audio_tokens"), n.may("output_tokens_details.image_tokens")
	if total := n.may("total_tokens"); total > input+output {
		output = total - input // thoughts that a provider leaves out of its output
	} else if total > 0 && total < input+output {
		n.doubtOf("its total_tokens is %d, and its parts are %d", total, input+output)
	}
	thoughts := n.may("output_tokens_details.reasoning_tokens")
	if thoughts > output {
		n.doubtOf("its reasoning_tokens are %d, of %d output_tokens", thoughts, output)
	}
	used := price.Usage{
		Input: input - cached - wrote - heard, CachedInput: cached, CacheWrite5m: wrote, AudioInput: heard,
		Output: output - spoken - drawn, AudioOutput: spoken, ImageOutput: drawn, ServiceTier: b.tier.served(n.oneTier(response("service_tier"), n.of.Get("service_tier"))),
	}
	used.Reasoning = min(max(used.Output, 0), thoughts)
	var known knownMembers
	if b.model.Prices.Charges(webSearchFee) {
		known = toolUsageKnown
		told := n.readIfAny(response("tool_usage").Get("web_search.num_requests"))
		used.Uses = price.UsesOf(map[string]int64{webSearchFee: max(searches, told)})
	}
	if known.unknown(response("tool_usage"), b.model.Billing) != "" && !b.model.Billing.CostReported {
		n.doubtOf("its tool_usage is billed beside tokens: if it costs nothing, add what it counts to spec.neutralUsage")
	}
	status := response("status")
	if status.Exists() && !isOver(status.Str) {
		n.doubtOf("the response is not at its end: its status is %s", clipped(status.Raw))
	}
	return b.judge(&n, statement{
		usage: n.of, known: responsesKnown, used: used, model: response("model"), spoke: spoke,
		nothing: !spoke && (status.Str == "failed" || status.Str == "cancelled"),
	})
}

// isOver is whether a response with that status has come to its end.
func isOver(status string) bool {
	return status == "completed" || status == "incomplete" || status == "failed" || status == "cancelled"
}

// putsOut is whether an item of a response is output of the model.
func putsOut(item gjson.Result) bool {
	return item.Get("type").Str != "message" || hasSomething(item.Get("content"))
}

// isSearch is whether an item of a response is a search on the web. To open a page that was
// found, or to look for something in it, is not billed.
func isSearch(item gjson.Result) bool {
	switch item.Get("action.type").Str {
	case "open_page", "find_in_page", "find":
		return false
	}
	return item.Get("type").Str == "web_search_call"
}

// maxSearched is the size of the largest output that is read to count the searches in it.
const maxSearched = 1 << 20

// wholeResponse is an answer for which the provider may have searched mostSearches times. If the
// answer is too long to be read, it counts as if the provider had.
func wholeResponse(b bill, mostSearches int64) Answer {
	answer := newWholeAnswer(b, "model", func(members *memberScanner) reading {
		spoke, searches := false, int64(0)
		members.member("output").ForEach(func(_, item gjson.Result) bool {
			spoke = spoke || putsOut(item)
			if isSearch(item) {
				searches++
			}
			return true
		})
		if members.long("output") {
			spoke, searches = true, mostSearches
		}
		return responsesJudged(b, members.member, spoke, searches)
	}, "usage", "service_tier", "status", "tool_usage", "output")
	if mostSearches > 0 {
		answer.members.maxOutput = maxSearched
	}
	return answer
}

// responsesStream is a streamed answer: events of which the last has the whole
// response, with its usage. Nothing is changed.
type responsesStream struct {
	events eventStream
	seen   responsesSeen
	bill   bill

	cut, done bool
	// since is whether output has come after the last event that has the whole response.
	since bool
	// spoke is whether there was output before the last event, and searches how often the
	// provider had searched the web by then, the last time in searched.
	spoke    bool
	searches int64
	searched string
	response gjson.Result
	// begun is what the first event has of the response, and doubt what is wrong with what
	// the last has.
	begun gjson.Result
	doubt string
	got   *reading
}

func newResponsesStream(b bill, seen responsesSeen) *responsesStream {
	s := &responsesStream{bill: b, seen: seen}
	s.events = eventStream{arrive: s.seen.arrive, read: s.read, tap: s.seen.event, varies: s.seen.varies, again: s.again}
	return s
}

func (s *responsesStream) Pass(chunk []byte) []byte { return s.events.pass(chunk) }
func (s *responsesStream) End(cut bool) []byte      { s.cut = cut; return s.events.end(cut) }

// Unfinished is whether the stream ended before the response did. What follows the
// last event is not missed.
func (s *responsesStream) Unfinished() bool { return !s.done }

func (s *responsesStream) Progress() Progress { return s.seen.progress(s.events.open()) }

func (s *responsesStream) Seen(cut Cut) (price.Usage, bool) {
	if s.bill.isPricedApart(s.seen.model) {
		return price.Usage{}, false
	}
	return s.seen.most(price.Usage{}, false, &s.events, cut)
}

func (s *responsesStream) Usage() (price.Usage, bool) { return s.reading().usage() }
func (s *responsesStream) Doubt() string              { return s.reading().doubt }
func (s *responsesStream) AtLeast() price.Usage       { return s.reading().used }

func (s *responsesStream) reading() reading {
	switch {
	case s.got != nil:
	case !s.done:
		s.got = &reading{doubt: doubtCut}
	case s.doubt != "":
		s.got = &reading{doubt: s.doubt}
	default:
		got := responsesJudged(s.bill, s.member, s.spoke, s.mostSearches())
		if s.since {
			got = got.running()
		}
		s.got = &got
	}
	return *s.got
}

var (
	responseEvent = []byte(`"response.`)
	deltaEvent    = []byte(`.delta"`)
	searchDone    = []byte(`"web_search_call"`)
	// responseEnds is in the events that have the whole response.
	responseEnds = regexp.MustCompile(`"response\.(created|completed|incomplete|failed|cancelled)"`)
)

func (s *responsesStream) read(data []byte) hidden {
	if !bytes.Contains(data, responseEvent) {
		return hidden{}
	}
	if bytes.Contains(data, deltaEvent) {
		s.spoke, s.since = true, s.done
		return hidden{}
	}
	if !responseEnds.Match(data) && !bytes.Contains(data, searchDone) {
		return hidden{}
	}
	event, err := parseEvent(data)
	if err != nil {
		return hidden{}
	}
	switch event.Get("type").Str {
	case "response.output_item.done":
		s.noteSearch(event.Get("item"))
	case "response.created":
		s.begun = event.Get("response")
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled":
		if isTwice(event, "response") || isTwice(event.Get("response"), "usage") {
			s.doubt = doubtTwice
		}
		s.take(event.Get("response"))
	}
	return hidden{}
}

// again takes an event that says what one before it said, except for its text.
func (s *responsesStream) again(v values) {
	s.seen.again(v)
	s.since = s.done
}

// noteSearch notes an item that is at its end, which some providers report twice.
func (s *responsesStream) noteSearch(item gjson.Result) {
	id := item.Get("id").Str
	if !isSearch(item) || id != "" && id == s.searched {
		return
	}
	s.searches, s.searched = s.searches+1, strings.Clone(id)
}

// mostSearches is how many searches there were: by the events so far, or by the last one.
func (s *responsesStream) mostSearches() int64 {
	last := int64(0)
	s.response.Get("output").ForEach(func(_, item gjson.Result) bool {
		if isSearch(item) {
			last++
		}
		return true
	})
	return max(s.searches, last)
}

// member is a member of the response. For the service tier, it is what the first event says if
// the last one says nothing.
func (s *responsesStream) member(name string) gjson.Result {
	if value := s.response.Get(name); value.Type != gjson.Null || name != "service_tier" {
		return value
	}
	return s.begun.Get(name)
}

// take takes the response of the last event. A response whose usage counts nothing does not
// replace one whose usage counts something.
func (s *responsesStream) take(response gjson.Result) {
	s.done, s.since = true, false
	for _, name := range []string{"usage.input_tokens", "usage.output_tokens"} {
		if later := response.Get(name).Num; later > 0 && later < s.response.Get(name).Num {
			s.doubt = "a later one has fewer " + name + " than an earlier one"
		}
	}
	if countsSomething(response.Get("usage")) || !countsSomething(s.response.Get("usage")) {
		s.response = response
	}
}

// Problem is an error event, with the members that OpenAI's have, and the number that comes
// after those of the events so far.
func (s *responsesStream) Problem(body []byte) ([]byte, bool) {
	said := gjson.ParseBytes(body).Get("error")
	event := bytes.TrimSpace(body)
	for name, value := range map[string]any{
		"type": "error", "code": said.Get("code").Str, "message": said.Get("message").Str, "param": nil, "sequence_number": s.seen.number,
	} {
		event, _ = sjson.SetBytes(event, name, value) // an object, into which a member can always be set
	}
	return s.events.interject("error", event), false
}
