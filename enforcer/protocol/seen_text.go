package protocol

import (
	"maps"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/api/price"
)

// view is a frame's data as a string, without a copy. It is valid until the frame is changed:
// nothing of it may be kept.
func view(data []byte) string { return unsafe.String(unsafe.SliceData(data), len(data)) }

// noOutput are members of a piece of an answer that the model does not generate, or not as
// text.
var noOutput = map[string]bool{
	"role": true, "id": true, "type": true, "index": true, "object": true, "call_id": true, "item_id": true, "status": true,
	"signature": true, "thoughtSignature": true, "logprobs": true, "encrypted_content": true, "start_index": true, "end_index": true,
}

// pieces are members that have other members, of which some may be noOutput. What is in any other
// object, its names included, the model has generated.
var pieces = map[string]bool{
	"content": true, "parts": true, "function": true, "function_call": true, "functionCall": true, "custom": true, "message": true,
	"thinking": true, "summary": true, "executableCode": true, "codeExecutionResult": true, "action": true, "commands": true,
	"annotations": true, "annotation": true, "url_citation": true, "file_citation": true, "code": true, "item": true, "part": true,
}

// unseen are members with what is no text: how many tokens it is cannot be seen.
var unseen = map[string]bool{
	"images": true, "image": true, "image_url": true, "inlineData": true, "inline_data": true, "fileData": true, "file_data": true,
	"file": true, "video": true, "video_url": true, "audio": true,
}

// strings counts the text in a piece of an answer, whatever it is for: words, thoughts, a
// refusal, the name of a tool or its arguments.
func (s *seen) strings(value gjson.Result) { s.stringsExcept(noOutput, value) }

// stringsExcept counts the text in a piece of an answer, except for some members of it.
func (s *seen) stringsExcept(except map[string]bool, value gjson.Result) {
	switch {
	case value.Type == gjson.String:
		s.text(value.Str)
		if value.Str != "" {
			s.frame.text = insideOf(value)
		}
	case value.IsArray():
		value.ForEach(func(_, element gjson.Result) bool {
			s.stringsExcept(noOutput, element)
			return true
		})
	case value.IsObject():
		value.ForEach(func(key, member gjson.Result) bool {
			if !except[key.Str] {
				s.member(key.Str, member)
			}
			return true
		})
	}
}

// member counts a member of a piece of an answer.
func (s *seen) member(name string, value gjson.Result) {
	switch {
	case unseen[name] && hasSomething(value):
		s.tokens(price.MaxTokens)
	case pieces[name] || !hasObjects(value):
		s.strings(value)
	default:
		s.text(value.Raw)
	}
}

// hasObjects is whether a value is an object, or an array that has one, that is not empty.
func hasObjects(value gjson.Result) (any bool) {
	if value.IsArray() {
		value.ForEach(func(_, element gjson.Result) bool {
			any = hasObjects(element)
			return !any
		})
		return any
	}
	return value.IsObject() && hasSomething(value)
}

// text counts a text.
func (s *seen) text(text string) {
	if text == "" {
		return
	}
	s.came()
	s.texts += int64(len(text))
	if s.tokenizer == "" || tokenizers[s.tokenizer] == nil {
		s.add(int64(len(text)))
		return
	}
	s.waiting = append(append(s.waiting, text...), endOfPiece)
	if len(s.waiting) >= maxWaiting {
		s.count()
	}
}

// upTo counts the end of a text of which counted bytes have come before, in pieces, where it makes
// them length bytes in all. It returns how many have come now.
func (s *seen) upTo(length, counted int64, text string) int64 {
	if more := length - counted; more > 0 {
		s.text(text[max(0, int64(len(text))-more):])
	}
	return max(length, counted)
}

// besides are names, and some more.
func besides(a map[string]bool, names ...string) map[string]bool {
	all := maps.Clone(a)
	for _, name := range names {
		all[name] = true
	}
	return all
}
