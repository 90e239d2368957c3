package pages

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/signin"
	"github.com/bursar-dev/bursar/history"
)

const (
	// pollEvery is how often the ledger is asked whether it has anything new of a tenant.
	pollEvery = time.Second
	// pollSince is how long ago a call may have been admitted that is new in the ledger now.
	pollSince = 2 * time.Hour
	// beatEvery is how often something is sent, so that a watcher who has gone is noticed.
	beatEvery = 15 * time.Second
	// mostWatchers is how many watchers there are at most.
	mostWatchers = 2000
	// mostOfOne is how many watchers one person may have, so that nobody keeps all others out.
	mostOfOne = 100
)

// live tells the watchers of a page when it is out of date, with what to show in its place.
// However many watch pages of a tenant, the ledger is asked once a second whether it has
// anything new of the tenant, and each page is made once.
type live struct {
	// every is how often the ledger is asked; all rooms of a tenant look at that moment.
	every time.Duration
	// beat is how often a watcher is sent something, and checked for still being allowed to watch.
	beat  time.Duration
	pages *Pages

	mu       sync.Mutex
	watching int
	// of is how many watchers each person has, by auth.Who.Subject.
	of     map[string]int
	rooms  map[string]*room
	polled map[string]*polled
}

// polled is the ledger's last answer about a tenant, for readers who see the same of it.
type polled struct {
	mu    sync.Mutex
	at    time.Time
	state string
}

// room is the watchers of the same page of the same tenant in the same language, who may see the same.
type room struct {
	// watchers are those in the room. Each holds one page, the newest.
	watchers map[*watcher]bool
	stop     context.CancelFunc
	// latest is the last event, for watchers who come later.
	latest []byte
}

type watcher struct {
	q    *request
	page chan []byte
}

func newLive(p *Pages) *live {
	return &live{every: pollEvery, beat: beatEvery, pages: p, of: map[string]int{}, rooms: map[string]*room{}, polled: map[string]*polled{}}
}

// serve is a stream of events, as browsers read it (text/event-stream).
func (l *live) serve(w http.ResponseWriter, r *http.Request) {
	q := &request{Request: r, ctx: r.Context(), l: l.pages.locales[languageOf(r)], now: l.pages.Now(), me: &api.Me{}}
	q.Request = r.Clone(r.Context())
	q.URL.Path = strings.TrimSuffix(r.URL.Path, "/live")
	if err := l.pages.begin(q); err != nil || !q.tenant.isAdmin && !q.tenant.isAbove {
		w.WriteHeader(http.StatusNoContent) // so that the browser does not ask again by itself
		return
	}
	me := &watcher{q: q, page: make(chan []byte, 1)}
	if !l.enter(me) {
		w.Header().Set("Retry-After", "60")
		http.Error(w, q.l.say("Too many people are watching this page live. Reload it to see what is new."), http.StatusServiceUnavailable)
		return
	}
	defer l.leave(me)
	w.Header().Set("Content-Type", "text/event-stream")
	stream := http.NewResponseController(w)
	l.tell(stream, w, me)
}

// tell sends pages until the watcher has gone, may no longer see them, or the console ends.
func (l *live) tell(stream *http.ResponseController, w http.ResponseWriter, me *watcher) {
	beat := time.NewTicker(l.beat)
	defer beat.Stop()
	send := func(event []byte) bool {
		_ = stream.SetWriteDeadline(time.Now().Add(2 * beatEvery)) // a writer that knows none has none
		if _, err := w.Write(event); err != nil {
			return false
		}
		return stream.Flush() == nil
	}
	going := send([]byte("retry: 2000\n\n"))
	for going {
		select {
		case page := <-me.page:
			going = l.stillSees(me) && send(page)
		case <-beat.C:
			going = !signin.IsEnded(me.q.ctx) && l.stillSees(me) && send([]byte(": still here\n\n"))
		case <-me.q.ctx.Done():
			return
		case <-l.pages.Ending:
			return
		}
	}
}

// stillSees reports whether a watcher's credential still gives exactly the right that it gave at first. It is
// asked for each watcher whenever there is something new, so it checks only that right.
func (l *live) stillSees(me *watcher) bool {
	seen := me.q.tenant
	who, err := l.pages.API.Identify(me.q.ctx, me.q.Header)
	if err != nil {
		return false
	}
	role, err := l.pages.API.Role(me.q.ctx, who, seen.Name)
	if err != nil {
		return false
	}
	tenants, err := l.pages.API.Tenants(me.q.ctx, who)
	if err != nil {
		return false
	}
	tenancy, _ := who.In(seen.Name)
	now := choice{Name: seen.Name, isAdmin: role == auth.Admin, isAbove: role == auth.Above, hidden: hiddenBelow(tenants, seen.Name)}
	return tenancy.User == seen.user && now.shows(seen)
}

// roomOf names the room of a watcher: what a page shows depends on nothing else.
func roomOf(q *request) string {
	query := q.URL.Query()
	query.Del("tenant")
	return strings.Join([]string{q.tenant.Name, fmt.Sprint(q.tenant.isAdmin, q.tenant.isAbove), q.defaultTenant(), q.l.tag.String(), q.tenant.hidden, query.Encode()}, "\n")
}

// enter adds a watcher.
func (l *live) enter(me *watcher) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	who := me.q.who.Subject()
	if l.watching >= mostWatchers || l.of[who] >= mostOfOne {
		return false
	}
	l.watching++
	l.of[who]++
	name := roomOf(me.q)
	of := l.rooms[name]
	if of == nil {
		ctx, stop := context.WithCancel(context.Background())
		of = &room{watchers: map[*watcher]bool{}, stop: stop}
		l.rooms[name] = of
		go l.watch(ctx, name)
	}
	of.watchers[me] = true
	if of.latest != nil {
		me.page <- of.latest
	}
	return true
}

func (l *live) leave(me *watcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watching--
	who := me.q.who.Subject()
	if l.of[who]--; l.of[who] == 0 {
		delete(l.of, who)
	}
	name := roomOf(me.q)
	of := l.rooms[name]
	if delete(of.watchers, me); len(of.watchers) == 0 {
		of.stop()
		delete(l.rooms, name)
	}
	if len(l.rooms) == 0 {
		clear(l.polled)
	}
}

// anyone is one of the watchers in a room, on whose behalf to ask.
func (l *live) anyone(name string) *watcher {
	l.mu.Lock()
	defer l.mu.Unlock()
	if of := l.rooms[name]; of != nil {
		for w := range of.watchers {
			return w
		}
	}
	return nil
}

// watch makes the page of a room whenever there is something new, for as long as the room has watchers.
func (l *live) watch(ctx context.Context, name string) {
	last := ""
	for wait := l.every; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		one := l.anyone(name)
		if one == nil {
			wait = l.every
			continue
		}
		now := *one.q
		now.now, now.ctx = l.pages.Now(), ctx
		seen, err := l.look(ctx, name, last, &now)
		last, wait = seen, l.untilNext(&now)
		if err != nil {
			wait = l.every
		}
	}
}

// look hands the page of a room to all its watchers if there is something new since the last state, and returns
// the state that they have seen.
func (l *live) look(ctx context.Context, name, last string, q *request) (seen string, err error) {
	state, err := l.state(ctx, q)
	if err != nil || state == last {
		return last, err
	}
	page, err := l.event(ctx, q)
	if err != nil {
		l.pages.Log.Debug("A page that is watched cannot be made now", "error", err)
		return "", err // it is tried again
	}
	l.hand(name, page)
	return state, nil
}

// errOthersRight means that the watcher on whose behalf a room's page would be made may no longer see the same
// as the others in the room.
var errOthersRight = errors.New("this one does not see what all others here see any more")

// state changes when there is something new to see.
func (l *live) state(ctx context.Context, q *request) (string, error) {
	entered := q.tenant
	if err := l.pages.know(q); err != nil {
		return "", err
	}
	if !q.tenant.shows(entered) {
		return "", errOthersRight // another watcher is asked next
	}
	ledger, err := l.ledgerState(ctx, q)
	if err != nil {
		return "", err
	}
	shown, next, ok := api.Page(q.tenants.From(q.tenant.Name), q.URL.Query().Get("after"), mostTenants)
	if !ok {
		return "", missingPage()
	}
	budgets, err := l.pages.API.Versions(ctx, shown)
	return fmt.Sprint(ledger, q.below(), next, budgets), err
}

// polledOf is the ledger's last answer for readers who see the same of a tenant.
func (l *live) polledOf(q *request) *polled {
	name := fmt.Sprint(q.tenant.Name, " ", q.tenant.isAdmin)
	l.mu.Lock()
	defer l.mu.Unlock()
	last := l.polled[name]
	if last == nil {
		last = &polled{}
		l.polled[name] = last
	}
	return last
}

// untilNext is the time until the ledger is asked again. All rooms of a tenant look at that moment, so that
// none of them looks just before it.
func (l *live) untilNext(q *request) time.Duration {
	last := l.polledOf(q)
	last.mu.Lock()
	defer last.mu.Unlock()
	return time.Until(last.at.Add(l.every))
}

// ledgerState changes when the ledger has something new of a tenant. The ledger is asked once for all rooms
// whose watchers see the same of the tenant.
func (l *live) ledgerState(ctx context.Context, q *request) (string, error) {
	last := l.polledOf(q)
	last.mu.Lock()
	defer last.mu.Unlock()
	began := time.Now()
	if began.Sub(last.at) < l.every*9/10 {
		return last.state, nil
	}
	from := q.now.Add(-pollSince).Truncate(history.Grain)
	used, err := l.pages.ask.usage(ctx, q.who, &api.UsageInput{
		TenantParameter: q.tenant.parameter(), SpanParameters: api.SpanParameters{From: from.UTC().Format(time.RFC3339)},
		Below: q.tenant.isAdmin, Limit: 1,
	})
	if err != nil {
		return "", err
	}
	last.at, last.state = began, fmt.Sprint(used.Total.Calls, used.Total.Refused, used.Total.Cost.Nanos, from)
	return last.state, nil
}

// event is the part of the page that changes, as an event.
func (l *live) event(ctx context.Context, q *request) ([]byte, error) {
	page, err := l.pages.costsOf(ctx, q)
	if err != nil {
		return nil, err
	}
	content, err := l.pages.render(q.l, "costs-figures", page)
	if err != nil {
		return nil, err
	}
	var event bytes.Buffer
	event.WriteString("event: figures\n")
	for line := range strings.SplitSeq(string(content), "\n") {
		if strings.TrimSpace(line) != "" {
			event.WriteString("data: " + strings.ReplaceAll(line, "\r", "") + "\n")
		}
	}
	event.WriteString("\n")
	return event.Bytes(), nil
}

// hand hands a page to all in a room. A watcher who has not taken the previous page gets this one in its place.
func (l *live) hand(name string, page []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.rooms[name]
	if of == nil {
		return
	}
	of.latest = page
	for w := range of.watchers {
		select {
		case <-w.page:
		default:
		}
		w.page <- page
	}
}
