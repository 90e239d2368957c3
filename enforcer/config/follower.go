package config

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bursar-dev/bursar/api/documents"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

const (
	// pollInterval is how often Redis is asked for changes. Published messages only
	// make it ask sooner.
	pollInterval = time.Second
	// closedInterval is how often Redis is asked while the limiter is closed, or if the last
	// attempt failed: calls wait for what comes next.
	closedInterval = 200 * time.Millisecond
	// pollTimeout bounds one request.
	pollTimeout = 2 * time.Second
)

// Follower keeps a Config up to date with Redis.
type Follower struct {
	client redis.UniversalClient
	config *Config
	log    *slog.Logger

	// epoch is the JSON of the epoch that onEpoch was told last, and open whether that epoch
	// is valid.
	epoch   string
	open    bool
	onEpoch func(limiterv1.Epoch)

	// seen is how far the changes were read.
	seen documents.Position
	// held are the documents of which the Config has a version. When everything is read
	// anew, stale are those of them that have not come again so far.
	held, stale map[limiterv1.DocumentID]struct{}
	// broken are the documents that cannot be run, with the revisions they came with.
	broken map[limiterv1.DocumentID]int64
	// brokenCount is the number of broken documents.
	brokenCount atomic.Int64

	failure atomic.Pointer[error]
	// isFollowing is set once the configuration was read to its end.
	isFollowing atomic.Bool
	// asked has the requests of CatchUp, each with the channel for its result.
	asked chan chan<- error
}

// NewFollower makes a Follower, which calls onEpoch with every epoch. Nothing else
// may write to the config.
func NewFollower(client redis.UniversalClient, config *Config, onEpoch func(limiterv1.Epoch), log *slog.Logger) *Follower {
	f := &Follower{
		client: client, config: config, onEpoch: onEpoch, log: log,
		held:   map[limiterv1.DocumentID]struct{}{},
		broken: map[limiterv1.DocumentID]int64{},
		asked:  make(chan chan<- error),
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

// CatchUp waits until all changes that Redis has now were read. Run must be running.
func (f *Follower) CatchUp(ctx context.Context) error {
	read := make(chan error, 1)
	select {
	case f.asked <- read:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-read:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run follows the configuration until ctx ends.
func (f *Follower) Run(ctx context.Context) {
	subscription := f.client.Subscribe(ctx, limiterv1.ConfigChannel)
	defer func() { _ = subscription.Close() }() // nothing depends on its end
	messages := subscription.Channel()
	for {
		f.poll(ctx)
		select {
		case <-ctx.Done():
			return
		case <-time.After(f.pause()):
		case <-messages:
		case read := <-f.asked:
			f.poll(ctx)
			read <- f.Failure()
		}
	}
}

// pause is how long Run waits for a message before it asks Redis again.
func (f *Follower) pause() time.Duration {
	if !f.open || f.Failure() != nil {
		return closedInterval
	}
	return pollInterval
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

func (f *Follower) readPage(ctx context.Context) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	page, err := documents.Read(ctx, f.client, f.seen)
	if err != nil {
		return false, err
	}
	f.apply(page)
	return page.More, nil
}

// apply applies a page to the Config. Without an incarnation, nothing was ever written, or Redis
// has lost everything: the Config stays as it is. When everything is read anew, documents that do
// not come again are withdrawn only once the incarnation is complete, because a Redis that has
// lost everything is filled again document by document.
func (f *Follower) apply(p documents.Page) {
	if p.Incarnation == "" {
		return
	}
	if p.From == 0 {
		f.stale, f.broken = maps.Clone(f.held), map[limiterv1.DocumentID]int64{}
	}
	for _, c := range p.Changes {
		delete(f.stale, c.ID)
		f.applyChange(c, p.From+1)
	}
	f.seen = p.Position
	if p.More {
		return
	}
	if p.Complete {
		for id := range f.stale {
			f.withdraw(id)
		}
		f.stale = nil
	}
	f.config.setComplete(p.Complete)
	if p.Complete || f.config.Running().Incarnation != "" { // a first configuration must be complete
		f.config.setRunning(f.running())
	}
	f.brokenCount.Store(int64(len(f.broken)))
}

// applyChange applies a change. If the document's revision is unreadable, it counts as broken
// since the earliest revision that it can have.
func (f *Follower) applyChange(c documents.Change, earliest int64) {
	if c.Document == "" {
		f.withdraw(c.ID)
		return
	}
	number, body, _ := strings.Cut(c.Document, " ")
	revision, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		revision = earliest
	} else {
		err = f.config.put(c.ID, []byte(body))
	}
	if err != nil {
		f.log.Error("failed to apply a document; keeping the previous one",
			"document", c.ID, "revision", revision, "error", err)
		f.broken[c.ID] = revision
		return
	}
	f.held[c.ID] = struct{}{}
	delete(f.broken, c.ID)
}

func (f *Follower) withdraw(id limiterv1.DocumentID) {
	f.config.withdraw(id)
	delete(f.held, id)
	delete(f.broken, id)
}

// running is what is run in full: everything before the first broken document.
func (f *Follower) running() Running {
	running := Running{Incarnation: f.seen.Incarnation, Revision: f.seen.Revision}
	for _, revision := range f.broken {
		running.Revision = min(running.Revision, revision-1)
	}
	return running
}
