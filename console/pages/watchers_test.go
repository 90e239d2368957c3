package pages

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/text/language"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/signin"
)

// TestNobodyKeepsOthersFromWatching: one person watches so many pages at once, and others watch all
// the same.
func TestNobodyKeepsOthersFromWatching(t *testing.T) {
	l := newLive(&Pages{})
	l.every = time.Hour // there is nothing to look at
	watcherOf := func(subject string, n int) *watcher {
		who := auth.Who{}
		who.Claims = &identity.Claims{Provider: "company", Subject: subject}
		return &watcher{page: make(chan []byte, 1), q: &request{
			Request: httptest.NewRequest("GET", fmt.Sprintf("/costs?page=%d", n), nil), who: who, me: &api.Me{}, l: newLocale(language.English), tenant: choice{isAdmin: true},
		}}
	}
	var entered []*watcher
	for n := range mostWatchers {
		if one := watcherOf("greedy", n); l.enter(one) {
			entered = append(entered, one)
		}
	}
	other := watcherOf("other", 0)
	if !l.enter(other) || len(entered) != mostOfOne {
		t.Errorf("one person has %d of %d, and another watches nothing", len(entered), mostWatchers)
	}
	for _, one := range append(entered, other) {
		l.leave(one)
	}
	if l.watching != 0 || len(l.of) != 0 || len(l.rooms) != 0 {
		t.Errorf("all have left, and there are %d, of %v", l.watching, l.of)
	}
}

// TestWatchingEndsWithTheSession: somebody who has signed out, in any tab, is told nothing more in
// the others.
func TestWatchingEndsWithTheSession(t *testing.T) {
	l := newLive(&Pages{})
	l.beat = time.Millisecond
	answer := httptest.NewRecorder()
	me := &watcher{page: make(chan []byte, 1), q: &request{ctx: signin.WithEnded(t.Context(), func() bool { return true })}}
	l.tell(http.NewResponseController(answer), answer, me)
	if got, want := answer.Body.String(), "retry: 2000\n\n"; got != want {
		t.Errorf("somebody who has signed out is told %q, want %q", got, want)
	}
}
