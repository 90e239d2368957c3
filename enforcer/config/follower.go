package config

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

const (
	// pollInterval is how often Redis is asked for changes. Published messages only
	// make it ask sooner.
	pollInterval = time.Second
	// pollTimeout bounds one request.
	pollTimeout = 2 * time.Second
	// staleGrace is how long documents of an earlier life of the configuration stay
	// that the present one does not have yet.
	staleGrace = 30 * time.Second
	// pageSize is how many documents are read at once.
	pageSize = 500
)

//go:embed changes.lua
var changesLua string

var changesScript = redis.NewScript(changesLua)

// Follower keeps a Config as Redis has it.
type Follower struct {
	client redis.UniversalClient
	config *Config
	log    *slog.Logger

	// epoch is the JSON of the one that was told last, to onEpoch.
	epoch   string
	onEpoch func(limiterv1.Epoch)

	// seen is how far the changes were read.
	seen Running
	// held are the documents that the Config has something of, stale are those of
	// them that were not seen again since everything is read anew.
	held, stale map[limiterv1.DocumentID]struct{}
	// anew is since when everything is read anew, and grace how long a document that
	// does not come again stays: a Redis that was lost is filled again one by one.
	anew  time.Time
	grace time.Duration
	// broken are the documents that cannot be run, with the revisions they came with.
	broken map[limiterv1.DocumentID]int64
	// brokenCount is how many those are.
	brokenCount atomic.Int64

	failure atomic.Pointer[error]
	// isFollowing is set once the configuration was read to its end.
	isFollowing atomic.Bool
}

// NewFollower makes a Follower, which tells onEpoch of every epoch. Nothing else
// may write to the config.
func NewFollower(client redis.UniversalClient, config *Config, onEpoch func(limiterv1.Epoch), log *slog.Logger) *Follower {
	f := &Follower{
		client: client, config: config, onEpoch: onEpoch, log: log, grace: staleGrace,
		held:   map[limiterv1.DocumentID]struct{}{},
		broken: map[limiterv1.DocumentID]int64{},
	}
	f.setFailure(errNotAsked)
	return f
}

var errNotAsked = errors.New("the configuration has not been read yet")

// Failure is why Redis did not answer when it was last asked for the
// configuration; nil when it did.
func (f *Follower) Failure() error { return *f.failure.Load() }

// IsFollowing reports whether there is a configuration, be it an empty one or, while Redis
// is away, the last that there was.
func (f *Follower) IsFollowing() bool { return f.isFollowing.Load() }

// Broken is how many documents cannot be run, and are run as they were before.
func (f *Follower) Broken() int64 { return f.brokenCount.Load() }

func (f *Follower) setFailure(err error) { f.failure.Store(&err) }

// Run follows the configuration until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	subscription := f.client.Subscribe(ctx, limiterv1.ConfigChannel)
	defer func() { _ = subscription.Close() }() // nothing depends on its end
	messages := subscription.Channel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		f.poll(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-messages:
		}
	}
}

// poll reads all changes there are.
func (f *Follower) poll(ctx context.Context) {
	more, err := true, f.readEpoch(ctx)
	for more && err == nil {
		more, err = f.readPage(ctx)
	}
	if ctx.Err() == nil {
		f.noteFailure(err)
	}
}

// noteFailure logs when Redis stops to answer, and when it answers again.
func (f *Follower) noteFailure(err error) {
	switch was := f.Failure(); {
	case err != nil && (was == nil || errors.Is(was, errNotAsked)):
		f.log.Error("failed to read the configuration; keeping the last one", "error", err)
	case err == nil && was != nil:
		f.log.Info("following the configuration", "incarnation", f.seen.Incarnation, "revision", f.seen.Revision)
		f.isFollowing.Store(true)
	}
	f.setFailure(err)
}

// page is one answer of changes.lua.
type page struct {
	Running
	// from is the revision that the page follows; 0 when everything is read anew.
	from    int64
	more    bool
	changes []change
}

type change struct {
	id limiterv1.DocumentID
	// document is "<revision> <body>"; empty when it was withdrawn.
	document string
}

func (f *Follower) readPage(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	keys := []string{limiterv1.DocumentsKey, limiterv1.ChangesKey, limiterv1.RevisionKey, limiterv1.IncarnationKey}
	answer, err := changesScript.Run(ctx, f.client, keys, f.seen.Incarnation, f.seen.Revision, pageSize).Slice()
	if err != nil {
		return false, fmt.Errorf("read changes: %w", err)
	}
	p, err := readAnswer(answer)
	if err != nil {
		return false, fmt.Errorf("read changes: %w", err)
	}
	f.apply(p)
	return p.more, nil
}

func readAnswer(answer []any) (p page, err error) {
	const head = 4
	if len(answer) < head || len(answer)%2 != 0 {
		return page{}, fmt.Errorf("unexpected reply of %d values", len(answer))
	}
	var ok [head]bool
	var more int64
	p.Incarnation, ok[0] = answer[0].(string)
	p.from, ok[1] = answer[1].(int64)
	p.Revision, ok[2] = answer[2].(int64)
	more, ok[3] = answer[3].(int64)
	if ok != [head]bool{true, true, true, true} {
		return page{}, fmt.Errorf("unexpected reply that starts with %v", answer[:head])
	}
	p.more = more == 1
	for i := head; i < len(answer); i += 2 {
		name, _ := answer[i].(string)
		document, _ := answer[i+1].(string)
		kind, rest, _ := strings.Cut(name, "/")
		id := limiterv1.DocumentID{Kind: limiterv1.DocumentKind(kind), Name: rest}
		p.changes = append(p.changes, change{id: id, document: document})
	}
	return p, nil
}

// apply makes the Config what the page says. Without an incarnation nothing was
// ever written, or Redis has lost everything: what there is stays.
func (f *Follower) apply(p page) {
	if p.Incarnation == "" {
		return
	}
	if p.from == 0 {
		f.stale, f.broken, f.anew = maps.Clone(f.held), map[limiterv1.DocumentID]int64{}, time.Now()
	}
	for _, c := range p.changes {
		delete(f.stale, c.id)
		f.applyChange(c, p.from+1)
	}
	f.seen = p.Running
	if p.more {
		return
	}
	if time.Since(f.anew) >= f.grace {
		for id := range f.stale {
			f.withdraw(id)
		}
		f.stale = nil
	}
	f.config.setRunning(f.running())
	f.brokenCount.Store(int64(len(f.broken)))
}

// applyChange applies a change that came with its own revision or, should that be
// unreadable, not before the earliest one.
func (f *Follower) applyChange(c change, earliest int64) {
	if c.document == "" {
		f.withdraw(c.id)
		return
	}
	number, body, _ := strings.Cut(c.document, " ")
	revision, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		revision = earliest
	} else {
		err = f.config.put(c.id, []byte(body))
	}
	if err != nil {
		f.log.Error("failed to apply a document; keeping the previous one",
			"document", c.id, "revision", revision, "error", err)
		f.broken[c.id] = revision
		return
	}
	f.held[c.id] = struct{}{}
	delete(f.broken, c.id)
}

func (f *Follower) withdraw(id limiterv1.DocumentID) {
	f.config.withdraw(id)
	delete(f.held, id)
	delete(f.broken, id)
}

// running is what is run in full: everything before the first broken document.
func (f *Follower) running() Running {
	running := f.seen
	for _, revision := range f.broken {
		running.Revision = min(running.Revision, revision-1)
	}
	return running
}
