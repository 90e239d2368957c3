package fakeprovider

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// created is the time at which every answer claims to have been made, so that
// answers are always the same.
const created = 1_700_000_000

// maxChoices bounds the work of one request.
const maxChoices = 128

// answer is one answer on its way.
type answer struct {
	api        api
	request    request
	directives directives
	model      model
	id         string
	tokens     int // of each choice
	thoughts   int
	tier       string
	cutShort   bool
	// call is the call of a tool at its end; nil is none.
	call *toolCall
	// sequence and text are the number of events and the text of a stream so far, for
	// APIs that number their events and repeat the text.
	sequence int
	text     string
	line     *line
}

// The ways in which an answer ends before its end.
var (
	errCut  = errors.New("cut as asked")
	errFail = errors.New("failed as asked")
)

// generate bills the tokens one by one, for each choice in turn, and passes each to
// emit as soon as it is billed. It ends early if the caller has gone, or as the
// directives say. The overrun goes to the first choice.
func (p *Provider) generate(ctx context.Context, a *answer, emit func(choice int, text string) error) error {
	if err := sleep(ctx, a.directives.first); err != nil {
		return err
	}
	a.line.addThoughts(int64(a.thoughts))
	padding := a.padding()
	done := 0
	for i := range a.tokens + a.directives.overrun {
		for choice := range a.request.choices {
			if i >= a.tokens && choice > 0 {
				break
			}
			if err := p.interrupt(ctx, a, done); err != nil {
				return err
			}
			a.line.addOutput(1)
			done++
			if err := emit(choice, a.say(i)+padding); err != nil {
				return err
			}
		}
	}
	if err := p.interrupt(ctx, a, done); err != nil {
		return err
	}
	a.line.complete()
	return nil
}

// interrupt does what the directives say for when so many tokens are out.
func (p *Provider) interrupt(ctx context.Context, a *answer, done int) error {
	d := a.directives
	if done > 0 {
		if err := sleep(ctx, d.delay); err != nil {
			return err
		}
		if is(d.pause, done) {
			if err := p.gate.wait(ctx); err != nil {
				return err
			}
		}
	}
	switch {
	case is(d.cut, done):
		return errCut
	case a.request.stream && is(d.fail, done):
		return errFail
	}
	return ctx.Err()
}

func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// words are one token each, with the space before them.
var words = []string{" time", " year", " people", " way", " day", " man", " thing", " life", " child", " world", " school"}

// say is what a token says: a piece of the JSON that the answer must be, if it must.
func (a *answer) say(i int) string {
	if a.request.structure != nil {
		text := string(marshal(example(a.request.structure)))
		piece := func(i int) int { return min(i, a.tokens) * len(text) / a.tokens }
		return text[piece(i):piece(i+1)]
	}
	if a.directives.words {
		return words[i%len(words)]
	}
	return fmt.Sprintf("token%d ", i)
}

// padding is what each token adds, so that the answer has the size that was asked for.
func (a *answer) padding() string {
	if a.directives.size == 0 || a.tokens == 0 {
		return ""
	}
	return strings.Repeat("x", a.directives.size/(a.tokens*a.request.choices)+1)
}

func marshal(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // There is nothing in our values that JSON cannot say.
	}
	return raw
}

// whole answers at once.
func (p *Provider) whole(w http.ResponseWriter, r *http.Request, a *answer) {
	texts := make([]strings.Builder, a.request.choices)
	err := p.generate(r.Context(), a, func(choice int, text string) error {
		texts[choice].WriteString(text)
		return nil
	})
	if err != nil && !errors.Is(err, errCut) {
		return // The caller has gone.
	}
	said := make([]string, len(texts))
	for i := range texts {
		said[i] = texts[i].String()
	}
	body := marshal(a.api.whole(a, said))
	if err != nil {
		cut(w, body)
	}
	writeJSON(w, r, body)
}

// cut promises the whole body, sends half of it and closes the connection.
func cut(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// writeJSON compresses the body for those who ask for it, as real providers do.
func writeJSON(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		_, _ = w.Write(body) // The caller may have gone.
		return
	}
	w.Header().Set("Content-Encoding", "gzip")
	compressed := gzip.NewWriter(w)
	_, _ = compressed.Write(body)
	_ = compressed.Close()
}
