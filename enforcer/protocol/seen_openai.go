package protocol

import (
	"bytes"
	"strings"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// outlookOf is what is known of an OpenAI model's answer before it comes. A model may think
// unseen if it is known for that, or if the request asks for reasoning: providers that show
// all of it do not say so.
func outlookOf(body []byte, bound price.Usage, model limiterv1.Model) outlook {
	o := outlook{bound: bound, tokenizer: model.Tokenizer}
	if o.hidden, o.shown = hides(model); o.shown {
		return o
	}
	gjson.Parse(view(body)).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "reasoning_effort", "reasoning", "thinking", "enable_thinking":
			o.hidden = asksToThink(value, o.hidden)
		}
		return true
	})
	return o
}

// asksToThink is whether a model thinks that is told so about its reasoning, where it does,
// or does not, by itself.
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

// chatSeen counts the output in the chunks of a Chat Completions stream.
type chatSeen struct {
	seen
	// choices are those that have ended.
	choices ends
}

func (s *chatSeen) chunk(data []byte) {
	s.frames++
	chunk := view(data)
	if !s.named {
		s.name(gjson.Get(chunk, "model"))
		s.servedIn(gjson.Get(chunk, "service_tier"))
	}
	gjson.Get(chunk, "choices").ForEach(func(_, choice gjson.Result) bool {
		s.choice(choice)
		return true
	})
	if bytes.Contains(data, usageName) {
		s.report(gjson.Get(chunk, "usage.completion_tokens").Int())
	}
}

// name notes the name of the model that answers, which tells more than the one that
// was asked for: a deployment, or an alias, may be called anything.
func (s *seen) name(model gjson.Result) {
	if model.Str != "" { // Azure's first chunk has an empty one
		s.named = true
		s.hidden = s.hidden || !s.shown && thinksHidden(model.Str)
	}
}

func (s *chatSeen) choice(choice gjson.Result) {
	delta := choice.Get("delta")
	if !delta.Exists() {
		delta = choice.Get("message")
	}
	delta.ForEach(func(key, member gjson.Result) bool {
		switch {
		case noOutput[key.Str]:
		case key.Str == "reasoning_details":
			// The same that is in reasoning, unless it is encrypted.
			s.hidden = s.hidden || strings.Contains(member.Raw, "encrypted")
		case key.Str == "tool_calls":
			s.toolCalls(member)
		case key.Str == "audio":
		default:
			s.strings(member)
		}
		return true
	})
	s.strings(choice.Get("text"))
	if choice.Get("finish_reason").Type == gjson.String {
		s.choices.note(choice.Get("index").Int())
		s.finished = s.choices.all()
	}
}

func (s *chatSeen) toolCalls(calls gjson.Result) {
	calls.ForEach(func(_, call gjson.Result) bool {
		if call.Get("id").Str != "" || call.Get("function.name").Str != "" {
			s.tokens(perToolCall)
		}
		s.strings(call)
		return true
	})
}

// responsesSeen counts the output in the events of a Responses stream.
type responsesSeen struct {
	seen
	// items are those that have begun, ended those of them that have ended and are likely
	// to be the last.
	items, ended int64
	// model is what the answer calls its model.
	model string
	// number is the sequence number of the next event.
	number int64
}

var deltaName = []byte(`"delta"`)

func (s *responsesSeen) event(data []byte) {
	s.frames++
	event := view(data)
	if number := gjson.Get(event, "sequence_number"); number.Type == gjson.Number {
		s.number = max(s.number, number.Int()+1)
	}
	switch kind := gjson.Get(event, "type").Str; kind {
	case "response.created", "response.in_progress":
		s.begin(gjson.Get(event, "response"))
	case "response.output_item.added":
		s.items++
		s.item(gjson.Get(event, "item"))
	case "response.output_item.done":
		s.itemDone(gjson.Get(event, "item"))
	default:
		if bytes.Contains(data, deltaName) {
			s.strings(gjson.Get(event, "delta"))
		}
	}
}

// begin takes what the provider has made of the request: of a model that thinks, it tells
// how much.
func (s *responsesSeen) begin(response gjson.Result) {
	s.model = strings.Clone(response.Get("model").Str)
	effort := response.Get("reasoning.effort")
	switch {
	case s.shown:
	case effort.Type == gjson.String:
		s.hidden = effort.Str != "none"
	case effort.Exists():
		s.hidden = false
	default:
		s.name(response.Get("model"))
	}
}

func (s *responsesSeen) item(item gjson.Result) {
	switch item.Get("type").Str {
	case "reasoning":
		s.hidden = s.hidden || !s.shown
	case "message":
		s.tokens(perMessage)
	default:
		s.tokens(perToolCall)
		s.strings(item.Get("name"))
	}
}

// itemDone counts what of an item does not come in pieces.
func (s *responsesSeen) itemDone(item gjson.Result) {
	switch item.Get("type").Str {
	case "message", "function_call", "custom_tool_call":
		s.ended = s.items
	case "reasoning":
	default:
		s.strings(item)
	}
}

func (s *responsesSeen) progress(open bool) Progress {
	return s.seen.progress(s.items > 0 && s.ended == s.items, open)
}
