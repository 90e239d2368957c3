package fakeprovider

import (
	"errors"
	"net/http"
	"sync"
)

// thread is the member by which a request to Messages begins a thread, or continues one.
type thread struct {
	Type     string `json:"type"`
	Previous string `json:"previous_message_id"`
}

// noThread is the code of an error of a thread that is not kept.
const noThread = "thread_not_found"

// threads are the conversations that are kept, by the IDs of their last messages.
type threads struct {
	mu   sync.Mutex
	said map[string]request
}

// resume adds to a request what was said before in its thread. again is whether the request has a
// system prompt or tools, which only the request that begins a thread may have.
func (t *threads) resume(in thread, r *request, again bool) error {
	switch {
	case in.Type == "create":
		return nil
	case in.Type != "continue":
		return errors.New("thread.type: must be create or continue")
	case again:
		return errors.New("system and tools are those of the thread")
	}
	t.mu.Lock()
	before, ok := t.said[in.Previous]
	t.mu.Unlock()
	if !ok {
		return &refusal{http.StatusNotFound, "not_found_error", noThread, "There is no such thread."}
	}
	r.words, r.bytes, r.messages, r.images = r.words+before.words, r.bytes+before.bytes, r.messages+before.messages, r.images+before.images
	r.tools = before.tools
	if r.prompt == "" {
		r.prompt = before.prompt
	}
	return nil
}

// keep keeps what was said in a thread, with the answer.
func (t *threads) keep(a *answer, text string) {
	if t == nil || !a.request.thread {
		return
	}
	said := a.request
	said.text(text)
	said.messages++
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.said == nil {
		t.said = map[string]request{}
	}
	t.said["msg_"+a.id] = said
}
