package protocol

import (
	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// messagesOutlook is what is known of Claude's answer before it comes. What Claude shows of
// its thoughts is a summary at the most, and it is billed for all of them.
func messagesOutlook(body []byte, bound price.Usage, model limiterv1.Model) outlook {
	o := outlook{bound: bound, tokenizer: model.Tokenizer}
	o.hidden, o.shown = hides(model)
	if thinking := gjson.Get(view(body), "thinking"); thinking.Exists() && !o.shown {
		o.hidden = asksToThink(thinking, o.hidden)
	}
	return o
}

// messagesSeen counts the output in the events of a Messages stream.
type messagesSeen struct {
	seen
	// blocks is how many blocks of content have begun, and open how many of them have not
	// ended.
	blocks, open int64
}

func (s *messagesSeen) event(data []byte) {
	s.nextFrame()
	event := view(data)
	switch gjson.Get(event, "type").Str {
	case "message_start":
		s.servedIn(gjson.Get(event, "message.usage.service_tier"))
		s.strings(gjson.Get(event, "message.content"))
	case "content_block_start":
		s.blocks, s.open = s.blocks+1, s.open+1
		s.block(gjson.Get(event, "content_block"))
		s.frame.spoke = s.frame.pieces > 0
	case "content_block_delta":
		s.frame.repeats = true
		s.delta(gjson.Get(event, "delta"))
	case "content_block_stop":
		s.open--
	case "message_delta":
		s.stringsExcept(ofMessageDelta, gjson.Get(event, "delta"))
		s.report(tokensOf(gjson.Get(event, "usage.output_tokens")))
		s.finished = gjson.Get(event, "delta.stop_reason").Type == gjson.String
	case "message_stop", "ping", "error":
	default:
		s.strings(gjson.Parse(event))
	}
}

// ofBlock and ofMessageDelta are members of a block, and of what is told at the end, that the
// model does not generate.
var (
	ofBlock        = besides(noOutput, "citations", "tool_use_id", "caller")
	ofMessageDelta = besides(noOutput, "stop_reason", "stop_sequence", "stop_details", "container", "context_management", "service_tier", "inference_geo", "speed")
)

func (s *messagesSeen) block(block gjson.Result) {
	switch block.Get("type").Str {
	case "thinking", "redacted_thinking":
		s.hidden = s.hidden || !s.shown
	case "text":
	case "web_search_tool_result", "web_fetch_tool_result", "code_execution_tool_result":
		return // what a tool has answered
	default:
		s.tokens(perToolCall)
	}
	s.stringsExcept(ofBlock, block)
}

// delta counts a piece of a block. A citation is not generated.
func (s *messagesSeen) delta(delta gjson.Result) {
	switch delta.Get("type").Str {
	case "citations_delta", "signature_delta":
	default:
		s.strings(delta)
	}
}

func (s *messagesSeen) progress(open bool) Progress {
	return s.seen.progress(s.finished || s.blocks > 0 && s.open == 0, open)
}
