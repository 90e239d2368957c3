package fakeprovider

import (
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

	if frames.write(a.api.begin(a)...) != nil {
		return
	}
	err := p.generate(r.Context(), a, func(choice int, text string) error {
		return frames.write(a.api.token(a, choice, text))
	})
	switch {
	case errors.Is(err, errCut):
		panic(http.ErrAbortHandler)
	case errors.Is(err, errFail):
		_ = frames.write(a.api.failed())
		return
	case err != nil:
		return // The caller has gone.
	}
	_ = frames.write(a.api.end(a)...) // The caller may have gone.
}

// frameWriter writes server-sent events, as ugly as asked.
type frameWriter struct {
	w          http.ResponseWriter
	directives directives
}

func (f *frameWriter) write(frames ...frame) error {
	for _, one := range frames {
		for range map[bool]int{false: 1, true: 2}[f.directives.duplicate] {
			if err := f.writeOne(one); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *frameWriter) writeOne(one frame) error {
	newline := "\n"
	if f.directives.crlf {
		newline = "\r\n"
	}
	var out []byte
	if f.directives.comments {
		out = append(out, ": the model thinks"+newline+newline...)
	}
	if one.event != "" {
		out = append(out, "event: "+one.event+newline...)
	}
	end, isEnd := one.data.(doneFrame)
	data := []byte(end)
	if !isEnd {
		data = marshal(one.data)
	}
	out = append(append(out, "data: "...), data...)
	return f.send(append(out, newline+newline...))
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
