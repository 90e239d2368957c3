package protocol

import (
	"bytes"
	"strconv"
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

// chatSeen counts the output in the chunks of a Chat Completions stream.
type chatSeen struct {
	seen
	// choices are those that have ended.
	choices ends
	// content is how many bytes of the content of messages have come.
	content int64
	// repeatsContent is whether the text of frames that are again as one before is such content.
	repeatsContent bool
}

func (s *chatSeen) chunk(data []byte) {
	s.nextFrame()
	s.frame.repeats = true
	chunk := view(data)
	if !s.modelNamed {
		s.name(gjson.Get(chunk, "model"))
		s.servedIn(gjson.Get(chunk, "service_tier"))
	}
	if choices := gjson.Get(chunk, "choices"); hasSomething(choices) {
		choices.ForEach(func(_, choice gjson.Result) bool {
			s.choice(choice)
			return true
		})
		s.frame.spoke = s.frame.pieces > 0
	} else {
		s.stringsExcept(ofChunk, gjson.Parse(chunk))
	}
	if bytes.Contains(data, usageName) {
		s.report(tokensOf(gjson.Get(chunk, "usage.completion_tokens")))
	}
}

// varies is as that of seen.
func (s *chatSeen) varies(data []byte) []varying {
	all := s.seen.varies(data, "", "obfuscation")
	if len(all) > 0 {
		s.repeatsContent = insideOf(gjson.GetBytes(data, "choices.0.delta.content")) == s.frame.text
	}
	return all
}

func (s *chatSeen) again(v values) {
	s.seen.again(v.text)
	if s.repeatsContent {
		s.content += int64(len(v.text))
	}
}

func (s *chatSeen) choice(choice gjson.Result) {
	before := s.texts
	delta, message := choice.Get("delta"), choice.Get("message")
	s.delta(delta)
	if s.texts == before {
		s.message(message)
	}
	choice.ForEach(func(key, member gjson.Result) bool {
		if !ofChoice[key.Str] {
			s.member(key.Str, member)
		}
		return true
	})
	if s.texts == before {
		s.tokens(textless(choice))
	}
	if choice.Get("finish_reason").Type == gjson.String {
		s.choices.note(choice.Get("index").Int())
		s.finished = s.choices.all()
	}
}

// ofChunk and ofChoice are members of a chunk, and of a choice in it, that the model does not
// generate, or that are counted by themselves.
var (
	ofChunk = besides(noOutput, "choices", "usage", "created", "model", "provider", "system_fingerprint", "service_tier", "obfuscation", "nonce",
		"citations", "search_results", "related_questions", "x_groq", "prompt_filter_results", "timings", "time_info", "error", "request_id")
	ofChoice = besides(noOutput, "delta", "message", "finish_reason", "native_finish_reason", "stop_reason", "matched_stop", "usage", "error", "seed",
		"content_filter_results", "content_filter_result", "content_filter_offsets", "token_ids", "prompt_token_ids", "routed_experts")
)

// textless is how many tokens a choice says that it has. Some have no text.
func textless(choice gjson.Result) (n int64) {
	for _, path := range []string{"logprobs.content.#", "logprobs.refusal.#", "logprobs.tokens.#"} {
		n += choice.Get(path).Int()
	}
	return max(n, choice.Get("token_ids.#").Int())
}

// delta counts a piece of a message.
func (s *chatSeen) delta(delta gjson.Result) {
	delta.ForEach(func(key, member gjson.Result) bool {
		switch {
		case noOutput[key.Str]:
		case key.Str == "reasoning_details":
			// The same that is in reasoning, unless it is encrypted.
			s.hidden = s.hidden || strings.Contains(member.Raw, "encrypted")
		case key.Str == "tool_calls":
			s.toolCalls(member)
		case key.Str == "audio" && s.bound.AudioOutput > 0: // all that there can be is charged
		default:
			switch {
			case key.Str == "content":
				s.content += int64(len(member.Str))
			case key.Str == "function_call" && member.Get("name").Str != "":
				s.tokens(perToolCall)
			}
			s.member(key.Str, member)
		}
		return true
	})
}

// message counts a message as it is so far, which some providers have in the place of a delta.
func (s *chatSeen) message(message gjson.Result) {
	content := message.Get("content")
	if content.Type != gjson.String || s.choices.of > 1 {
		s.delta(message)
		return
	}
	s.content = s.upTo(int64(len(content.Str)), s.content, content.Str)
	s.stringsExcept(besides(noOutput, "content"), message)
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
	// items are those that have begun, done those of them that have ended, and ended as many as
	// had begun when one ended that is likely to be the last.
	items, done, ended int64
	// told is how many bytes have come of text that comes in pieces and as a whole, and wholes
	// how many came as a whole, by what they came in.
	told   int64
	wholes [3]int64
	// model is what the answer calls its model.
	model string
	// number is the sequence number of the next event.
	number int64
	// repeatsPieces is whether the text of frames that are again as one before is told.
	repeatsPieces bool
}

func (s *responsesSeen) event(data []byte) {
	s.nextFrame()
	event := view(data)
	if number := gjson.Get(event, "sequence_number"); number.Type == gjson.Number {
		s.number = max(s.number, number.Int()+1)
	}
	switch kind := gjson.Get(event, "type").Str; kind {
	case "response.created", "response.in_progress":
		s.begin(gjson.Get(event, "response"))
	case "response.output_item.added":
		s.item(gjson.Get(event, "item"))
		s.begun(gjson.Get(event, "item"))
	case "response.output_item.done":
		s.itemDone(gjson.Get(event, "item"))
	case "response.content_part.added", "response.reasoning_summary_part.added":
		s.begun(gjson.Get(event, "part"))
	case "response.content_part.done", "response.reasoning_summary_part.done":
		s.whole(wholeParts, gjson.Get(event, "part"))
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled", "response.queued", "error":
	default:
		s.other(kind, gjson.Parse(event))
	}
}

// other counts an event that has a piece of text, or all of one, or something that is not known.
func (s *responsesSeen) other(kind string, event gjson.Result) {
	of, isDone := strings.CutSuffix(kind, ".done")
	of = strings.TrimSuffix(of, ".delta")
	switch before := s.texts; {
	case isDone && inPieces[of]:
		s.whole(wholeTexts, event)
	case isDone: // it came before
	default:
		s.frame.repeats = true
		s.stringsExcept(ofEvent, event)
		if inPieces[of] {
			s.told += s.texts - before
		}
	}
}

// varies is as that of seen.
func (s *responsesSeen) varies(data []byte) []varying {
	all := s.seen.varies(data, "sequence_number", "obfuscation")
	if len(all) > 0 {
		s.repeatsPieces = inPieces[strings.TrimSuffix(gjson.GetBytes(data, "type").Str, ".delta")]
	}
	return all
}

func (s *responsesSeen) again(v values) {
	s.seen.again(v.text)
	if s.repeatsPieces {
		s.told += int64(len(v.text))
	}
	if number, err := strconv.ParseInt(view(v.number), 10, 64); err == nil {
		s.number = max(s.number, number+1)
	}
}

// ofEvent are members of an event that the model does not generate.
var ofEvent = besides(noOutput, "obfuscation", "sequence_number", "event_id", "response_id", "error")

// inPieces are events with text that comes in pieces first, and then as a whole, up to three
// times: as a text, in a part, and in an item.
var inPieces = map[string]bool{
	"response.output_text": true, "response.refusal": true, "response.function_call_arguments": true,
	"response.custom_tool_call_input": true, "response.reasoning_text": true, "response.reasoning_summary_text": true,
}

const (
	wholeTexts = iota
	wholeParts
	wholeItems
)

// whole counts what there is more of text that comes as a whole than has come in pieces.
func (s *responsesSeen) whole(as int, of gjson.Result) {
	text := textIn(of)
	s.wholes[as] += int64(len(text))
	s.told = s.upTo(s.wholes[as], s.told, text)
}

// begun counts the text in a part, or in an item, that begins. Mostly there is none.
func (s *responsesSeen) begun(of gjson.Result) {
	text := textIn(of)
	s.text(text)
	s.told += int64(len(text))
}

// textIn is the text in an event, a part or an item.
func textIn(of gjson.Result) (text string) {
	for _, name := range []string{"text", "refusal", "arguments", "input"} {
		switch value := of.Get(name); {
		case value.Type == gjson.String:
			text += value.Str
		case value.IsObject() && hasSomething(value):
			text += value.Raw
		}
	}
	for _, name := range []string{"content", "summary"} {
		of.Get(name).ForEach(func(_, part gjson.Result) bool {
			text += textIn(part)
			return true
		})
	}
	return text
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
	s.items++
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

// itemDone counts what of an item has not come in pieces.
func (s *responsesSeen) itemDone(item gjson.Result) {
	kind := item.Get("type").Str
	if s.done++; s.done > s.items && kind != "message" {
		s.item(item)
	}
	s.items = max(s.items, s.done)
	switch kind {
	case "message", "function_call", "custom_tool_call":
		s.ended = s.items
		s.whole(wholeItems, item)
	case "reasoning":
		s.whole(wholeItems, item)
	default:
		s.strings(item)
	}
}

func (s *responsesSeen) progress(open bool) Progress {
	return s.seen.progress(s.items > 0 && s.ended == s.items, open)
}
