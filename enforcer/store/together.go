package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// sendersAtOnce is how many batches of commands are under way at once, at most.
	sendersAtOnce = 4
	// admitLinger is how long an admission waits for others to be sent with it, at most, while some are
	// under way. It is sent earlier when one batch of these has its answers.
	admitLinger = 500 * time.Microsecond
	// settleLinger is how long a settlement waits for others, since no caller waits for it: then it is
	// sent with the next admissions or, if there are none, after settleAlone. To be woken once more
	// costs Redis as much as two calls. A settlement that makes room in a limit of calls in flight is
	// sent like an admission instead.
	settleLinger = 3 * time.Millisecond
	settleAlone  = 5 * time.Millisecond
)

// lanes say which commands are sent together: only those to the same master, because a batch has its
// answers only when the slowest of its masters has answered.
type lanes struct {
	client redis.UniversalClient
	timing timing
	// alongside are the lanes whose commands are sent with those of these lanes; nil for none.
	alongside *lanes

	mu sync.Mutex
	// byShard has a lane for each shard of a Cluster, because a shard lies with one master; without a
	// Cluster, it has only one.
	byShard map[uint32]*together
}

// timing is how long calls wait for others.
type timing struct {
	// linger is how long the first call of a batch waits, at most.
	linger time.Duration
	// alsoAlone is whether it does so also when nothing is under way.
	alsoAlone bool
	// boards is how long it waits until the batch may be sent with the next of another lane.
	boards time.Duration
}

func newLanes(client redis.UniversalClient, timing timing, alongside *lanes) *lanes {
	return &lanes{client: client, timing: timing, alongside: alongside, byShard: map[uint32]*together{}}
}

// of is the lane for commands about a shard.
func (l *lanes) of(shard uint32) *together {
	if _, ok := l.client.(*redis.ClusterClient); !ok {
		shard = 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	lane, ok := l.byShard[shard]
	if !ok {
		lane = &together{client: l.client, timing: l.timing}
		if l.alongside != nil {
			lane.alongside = l.alongside.of(shard)
		}
		l.byShard[shard] = lane
	}
	return lane
}

// together runs scripts that several callers want to run at the same time: once for all calls for
// which that is possible, and all with one write, and one read of their answers.
type together struct {
	client redis.UniversalClient
	timing
	// alongside is the lane whose commands are sent with the same write; nil for none.
	alongside *together

	mu      sync.Mutex
	waiting queue
	// since is when the first of those in waiting came.
	since time.Time
	// lingering ends the wait of those in waiting; nil once it has ended, or if none waits.
	lingering *time.Timer
	// senders is how many batches are under way.
	senders int
}

// sent is a call that a script is to be run for, and its answer.
type sent struct {
	ctx    context.Context
	call   scriptCall
	answer *redis.Cmd
	done   chan struct{}
}

func newSent(ctx context.Context, call scriptCall) *sent {
	return &sent{ctx: ctx, call: call, answer: redis.NewCmd(ctx), done: make(chan struct{})}
}

// do has a script run for a call, and waits for its answer, until ctx ends.
func (t *together) do(ctx context.Context, call scriptCall) *redis.Cmd {
	own := newSent(ctx, call)
	if t.add(own) {
		t.send()
	}
	select {
	case <-own.done:
		return own.answer
	case <-ctx.Done():
		given := redis.NewCmd(ctx) // the sender may still write to own.answer
		given.SetErr(ctx.Err())
		return given
	}
}

// add adds a call to those that wait, and reports whether its caller is to send them.
func (t *together) add(own *sent) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting.isEmpty() {
		t.since = time.Now()
	}
	t.waiting.add(own)
	if t.senders == 0 && !t.alsoAlone {
		t.senders++
		return true
	}
	if t.lingering == nil {
		t.lingering = time.AfterFunc(t.linger, t.sendLingering)
	}
	return false
}

// sendLingering sends what has waited for long enough, unless as many batches are under way as may be.
func (t *together) sendLingering() {
	t.mu.Lock()
	t.lingering = nil
	isLate := !t.waiting.isEmpty() && t.senders < sendersAtOnce
	if isLate {
		t.senders++
	}
	t.mu.Unlock()
	if isLate {
		t.send()
	}
}

// send sends what waits. What came meanwhile is sent by another goroutine: if this one is that of a
// caller, the caller has its answer now.
func (t *together) send() {
	t.mu.Lock()
	batch := t.waiting.batch(nil)
	t.stopLingering()
	t.mu.Unlock()
	if t.alongside != nil {
		batch = append(batch, t.alongside.boarding(batch)...)
	}
	sendBatch(t.client, batch)
	t.mu.Lock()
	more := !t.waiting.isEmpty() && (t.lingering == nil || !t.alsoAlone)
	if !more {
		t.senders--
	}
	t.mu.Unlock()
	if more {
		go t.send()
	}
}

// stopLingering ends the wait of the calls that wait. REQUIRES: mu is held.
func (t *together) stopLingering() {
	if t.lingering != nil {
		t.lingering.Stop()
		t.lingering = nil
	}
}

// boarding takes the calls that have waited for long enough to be sent with the write of another lane, as
// far as there is room beside the calls of that lane.
func (t *together) boarding(others []*sent) (batch []*sent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.waiting.isEmpty() || time.Since(t.since) < t.boards {
		return nil
	}
	batch = t.waiting.batch(others)
	if t.waiting.isEmpty() {
		t.stopLingering()
	}
	return batch
}

// sendBatch runs scripts for the calls whose callers still wait. Each has its own answer, or error.
func sendBatch(client redis.UniversalClient, batch []*sent) {
	defer func() {
		for _, s := range batch {
			close(s.done)
		}
	}()
	wanted := slices.DeleteFunc(slices.Clone(batch), func(s *sent) bool {
		if err := s.ctx.Err(); err != nil {
			s.answer.SetErr(err)
			return true
		}
		return false
	})
	// Where a script failed for several calls, only one of them may be to blame, so it is run for each
	// of them alone. To be asked again changes nothing for a call.
	if failed := runScripts(client, inRuns(wanted)); len(failed) > 0 {
		runs := make([]*scriptRun, len(failed))
		for i, s := range failed {
			runs[i] = newRun(s)
		}
		runScripts(client, runs)
	}
}

// inRuns groups calls for which a script can be run together.
func inRuns(calls []*sent) (runs []*scriptRun) {
	for _, s := range calls {
		if !slices.ContainsFunc(runs, func(r *scriptRun) bool { return r.add(s) }) {
			runs = append(runs, newRun(s))
		}
	}
	return runs
}

// runScripts runs scripts with one write. It returns the calls of a script that failed for several
// calls together.
func runScripts(client redis.UniversalClient, runs []*scriptRun) (failed []*sent) {
	if len(runs) == 0 {
		return nil
	}
	ctx := runs[0].calls[0].ctx
	if len(runs) > 1 || len(runs[0].calls) > 1 {
		own, cancel := context.WithTimeout(context.Background(), operationTimeout)
		defer cancel()
		ctx = own
	}
	cmds := make([]*redis.Cmd, len(runs))
	for i, run := range runs {
		cmds[i] = run.evalSha(ctx)
	}
	process(ctx, client, cmds)
	for i, run := range runs {
		if isOwnFailure(cmds[i].Err()) && len(run.calls) > 1 {
			failed = append(failed, run.calls...)
			continue
		}
		setAnswers(run.calls, cmds[i])
	}
	return failed
}

// process sends commands with one write. Each has its answer then, or its error.
func process(ctx context.Context, client redis.UniversalClient, cmds []*redis.Cmd) {
	if len(cmds) == 1 {
		_ = client.Process(ctx, cmds[0])
		return
	}
	pipe := client.Pipeline()
	for _, cmd := range cmds {
		_ = pipe.Process(ctx, cmd) // it is only added
	}
	_, _ = pipe.Exec(ctx)
}

// isOwnFailure is whether Redis has answered that a script it knows has failed.
func isOwnFailure(err error) bool {
	var answered redis.Error
	return errors.As(err, &answered) && !redis.HasErrorPrefix(err, "NOSCRIPT")
}

// setAnswers gives calls the answers of the script that was run for them.
func setAnswers(calls []*sent, cmd *redis.Cmd) {
	answers, err := cmd.Slice()
	if err == nil && len(answers) != len(calls) {
		err = fmt.Errorf("a script answers %d calls, want %d", len(answers), len(calls))
	}
	for i, s := range calls {
		if err != nil {
			s.answer.SetErr(err)
		} else {
			s.answer.SetVal(answers[i])
		}
	}
}
