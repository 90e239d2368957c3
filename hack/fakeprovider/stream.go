package fakeprovider

import (
	"encoding/json"
	"errors"
	"net/http"
)

// stream answers with server-sent events, a frame a token.
func (p *Provider) stream(w http.ResponseWriter, r *http.Request, a *answer) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	frames := &frameWriter{w: w, directives: a.directives}
	// The status goes out before the first token is there.
	_ = http.NewResponseController(w).Flush()

	choices := a.request.choices()
	for choice := range choices {
		if err := frames.write(a.chunk(choice, map[string]any{"role": "assistant", "content": "", "refusal": nil}, nil)); err != nil {
			return
		}
	}
	err := p.generate(r.Context(), a, func(choice int, text string) error {
		return frames.write(a.chunk(choice, map[string]any{"content": text}, nil))
	})
	switch {
	case errors.Is(err, errCut):
		panic(http.ErrAbortHandler)
	case errors.Is(err, errFail):
		_ = frames.write(marshal(map[string]any{"error": errorBody("server_error", "", "the model failed, as asked")}))
		return
	case err != nil:
		return // The caller has gone.
	}
	for choice := range choices {
		if err := frames.write(a.chunk(choice, map[string]any{}, a.finishReason())); err != nil {
			return
		}
	}
	if usage := a.usage(); usage != nil && a.request.StreamOptions.IncludeUsage {
		last := a.frame([]any{})
		last["usage"] = usage
		if err := frames.write(marshal(last)); err != nil {
			return
		}
	}
	_ = frames.write([]byte("[DONE]"))
}

// chunk is the frame with a piece of a choice. Frames that carry no usage say so
// when the request asked for it.
func (a *answer) chunk(choice int, delta map[string]any, finishReason any) json.RawMessage {
	frame := a.frame([]any{map[string]any{
		"index": choice, "delta": delta, "logprobs": nil, "finish_reason": finishReason,
	}})
	if a.request.StreamOptions.IncludeUsage {
		frame["usage"] = nil
	}
	return marshal(frame)
}

func (a *answer) frame(choices []any) map[string]any {
	return map[string]any{
		"id": "chatcmpl-" + a.id, "object": "chat.completion.chunk", "created": created,
		"model": a.request.Model, "system_fingerprint": "fp_fake", "choices": choices,
	}
}

// frameWriter writes server-sent events, as ugly as asked.
type frameWriter struct {
	w          http.ResponseWriter
	directives directives
}

func (f *frameWriter) write(data []byte) error {
	newline := "\n"
	if f.directives.crlf {
		newline = "\r\n"
	}
	var frame []byte
	if f.directives.comments {
		frame = append(frame, ": the model thinks"+newline+newline...)
	}
	frame = append(frame, "data: "...)
	frame = append(frame, data...)
	frame = append(frame, newline+newline...)
	return f.send(frame)
}

// send writes and flushes the frame, in pieces when asked.
func (f *frameWriter) send(frame []byte) error {
	size := f.directives.split
	if size == 0 {
		size = len(frame)
	}
	for len(frame) > 0 {
		piece := frame[:min(size, len(frame))]
		frame = frame[len(piece):]
		if _, err := f.w.Write(piece); err != nil {
			return err
		}
		if err := http.NewResponseController(f.w).Flush(); err != nil {
			return err
		}
	}
	return nil
}
