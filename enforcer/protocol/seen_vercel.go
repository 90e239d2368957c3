package protocol

import (
	"strings"

	"github.com/tidwall/gjson"
)

// vercelSeen counts the output in the parts of a stream of Vercel's AI Gateway.
type vercelSeen struct {
	seen
	// blocks is how many blocks of text and of other output have begun, and open how many of
	// them have not ended.
	blocks, open int64
	// inputs are the calls of tools whose input has come in pieces, as it comes again in one;
	// no more than maxInputs of them, each with a name of maxName bytes at most. What is not
	// known there is counted twice.
	inputs map[string]bool
}

const maxInputs = 1024

func (s *vercelSeen) part(data []byte) {
	s.nextFrame()
	part := gjson.Parse(view(data))
	switch part.Get("type").Str {
	case "text-start":
		s.begin()
	case "reasoning-start":
		s.begin()
		s.hidden = s.hidden || !s.shown // what is shown may be a summary
	case "tool-input-start":
		s.begin()
		s.call(part, "id")
	case "text-delta", "reasoning-delta", "tool-input-delta":
		s.frame.repeats = true
		s.stringsExcept(ofVercelPart, part)
	case "text-end", "reasoning-end", "tool-input-end":
		s.open--
	case "tool-call":
		s.whole(part)
	case "file", "reasoning-file":
		s.hidden = true // its tokens cannot be counted
	case "finish":
		s.finished = true
	case "stream-start", "response-metadata", "source", "raw", "error", "tool-result", "tool-approval-request":
	default:
		s.stringsExcept(ofVercelPart, part)
	}
}

// ofVercelPart are members of a part that the model does not generate, or that are counted by
// themselves.
var ofVercelPart = besides(noOutput, "providerMetadata", "toolCallId", "toolName", "title")

func (s *vercelSeen) begin() { s.blocks, s.open = s.blocks+1, s.open+1 }

// call counts what calls a tool, except for its input.
func (s *vercelSeen) call(part gjson.Result, id string) {
	if s.inputs == nil {
		s.inputs = map[string]bool{}
	}
	if name := part.Get(id).Str; !s.inputs[name] {
		if len(s.inputs) < maxInputs && len(name) <= maxName {
			s.inputs[strings.Clone(name)] = true // the frame may be changed
		}
		s.tokens(perToolCall)
		s.strings(part.Get("toolName"))
	}
}

// whole counts a call of a tool that has not come in pieces.
func (s *vercelSeen) whole(part gjson.Result) {
	if s.inputs[part.Get("toolCallId").Str] {
		return
	}
	s.call(part, "toolCallId")
	if input := part.Get("input"); input.Type == gjson.String {
		s.strings(input)
	} else {
		s.text(input.Raw)
	}
}

func (s *vercelSeen) progress(open bool) Progress {
	return s.seen.progress(s.finished || s.blocks > 0 && s.open == 0, open)
}
