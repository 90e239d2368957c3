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

// created is when every answer claims to have been made: answers are the same
// each time.
const created = 1_700_000_000

// maxChoices bounds the work of one request.
const maxChoices = 128

// answer is one answer on its way.
type answer struct {
	request    chatRequest
	directives directives
	model      model
	id         string
	tokens     int // of each choice
	cutShort   bool
	line       *line
}

// The ways in which an answer ends before its end.
var (
	errCut  = errors.New("cut as asked")
	errFail = errors.New("failed as asked")
)

// generate bills the tokens one by one, round the choices, and gives each to
// emit as soon as it is billed. It ends early when the caller has gone, or as
// the directives say. The overrun goes to the first choice.
func (p *Provider) generate(ctx context.Context, a *answer, emit func(choice int, text string) error) error {
	if err := sleep(ctx, a.directives.first); err != nil {
		return err
	}
	done := 0
	for i := range a.tokens + a.directives.overrun {
		for choice := range a.request.choices() {
			if i >= a.tokens && choice > 0 {
				break
			}
			if err := p.interrupt(ctx, a, done); err != nil {
				return err
			}
			a.line.addOutput(1)
			done++
			if err := emit(choice, fmt.Sprintf("token%d ", i)); err != nil {
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

// interrupt does what the directives want done when so many tokens are out.
func (p *Provider) interrupt(ctx context.Context, a *answer, done int) error {
	d := a.directives
	if done > 0 {
		if err := sleep(ctx, d.delay); err != nil {
			return err
		}
		if is(d.hold, done) {
			if err := p.gate.wait(ctx); err != nil {
				return err
			}
		}
	}
	switch {
	case is(d.cut, done):
		return errCut
	case a.request.Stream && is(d.fail, done):
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

func (a *answer) finishReason() string {
	if a.cutShort {
		return "length"
	}
	return "stop"
}

// usage is what the answer says that it used, nil when it says nothing. It need
// not be the truth; the bill is.
func (a *answer) usage() json.RawMessage {
	total := a.line.snapshot()
	input, output := any(total.InputTokens), any(total.OutputTokens)
	switch a.directives.usage {
	case usageTrue:
	case usageNone:
		return nil
	case usageZero:
		input, output = 0, 0
	case usageNegative:
		output = -total.OutputTokens
	case usageHuge:
		output = json.Number("1000000000000000")
	case usageFractional:
		output = json.Number("1.5")
	}
	return marshal(map[string]any{
		"prompt_tokens":     input,
		"completion_tokens": output,
		"total_tokens":      total.InputTokens + total.OutputTokens,
		"prompt_tokens_details": map[string]any{
			"cached_tokens": total.CachedInputTokens, "audio_tokens": 0,
		},
		"completion_tokens_details": map[string]any{
			"reasoning_tokens": 0, "audio_tokens": 0,
			"accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
		},
	})
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
	texts := make([]strings.Builder, a.request.choices())
	err := p.generate(r.Context(), a, func(choice int, text string) error {
		texts[choice].WriteString(text)
		return nil
	})
	if err != nil && !errors.Is(err, errCut) {
		return // The caller has gone.
	}
	choices := make([]any, len(texts))
	for i := range texts {
		choices[i] = map[string]any{
			"index":         i,
			"message":       map[string]any{"role": "assistant", "content": texts[i].String(), "refusal": nil},
			"logprobs":      nil,
			"finish_reason": a.finishReason(),
		}
	}
	completion := map[string]any{
		"id": "chatcmpl-" + a.id, "object": "chat.completion", "created": created,
		"model": a.request.Model, "choices": choices, "system_fingerprint": "fp_fake",
	}
	if usage := a.usage(); usage != nil {
		completion["usage"] = usage
	}
	body := marshal(completion)
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
