package store

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// sendersAtOnce is how many batches of commands are under way at once, at most. A command
	// waits for others only when there are as many.
	sendersAtOnce = 4
	// mostTogether is how many commands are sent with one write, at most: the first of them has its
	// answer with the last.
	mostTogether = 64
	// settleLinger is how long a settlement waits for others, unless a call in flight ends: nobody
	// waits for it.
	settleLinger = time.Millisecond
)

// lanes are where commands are sent together: those of one master alone, because a batch has its
// answers when the slowest of its masters has.
type lanes struct {
	client redis.UniversalClient
	linger time.Duration

	mu sync.Mutex
	// byShard are those of a Cluster, of which a shard lies with one master.
	byShard map[uint32]*together
}

func newLanes(client redis.UniversalClient, linger time.Duration) *lanes {
	return &lanes{client: client, linger: linger, byShard: map[uint32]*together{}}
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
		lane = &together{client: l.client, linger: l.linger}
		l.byShard[shard] = lane
	}
	return lane
}

// together sends commands that several callers want to send at the same time with one write,
// and reads their answers with one read.
type together struct {
	client redis.UniversalClient
	// linger is how long the first command of a batch waits for others.
	linger time.Duration

	mu      sync.Mutex
	waiting []*sent
	// senders are the batches that are under way, or linger; lingers is whether one does.
	senders int
	lingers bool
}

// sent is a command and its caller.
type sent struct {
	ctx  context.Context
	cmd  *redis.Cmd
	done chan struct{}
}

// do sends a command and waits for its answer, until ctx ends.
func (t *together) do(ctx context.Context, cmd *redis.Cmd) *redis.Cmd {
	own := &sent{ctx: ctx, cmd: cmd, done: make(chan struct{})}
	if t.add(own) {
		t.send()
	}
	select {
	case <-own.done:
		return cmd
	case <-ctx.Done():
		given := redis.NewCmd(ctx) // whoever sends the other may still write to it
		given.SetErr(ctx.Err())
		return given
	}
}

// add adds a command to those that wait, and reports whether the caller is to send them.
func (t *together) add(own *sent) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.waiting = append(t.waiting, own)
	if t.lingers || t.senders == sendersAtOnce {
		return false
	}
	t.senders++
	if t.linger == 0 {
		return true
	}
	t.lingers = true
	time.AfterFunc(t.linger, t.send)
	return false
}

// send sends what waits, and has what came meanwhile sent by somebody else: its caller, if it is
// one, has its answer.
func (t *together) send() {
	t.mu.Lock()
	batch := t.waiting[:min(len(t.waiting), mostTogether)]
	t.waiting, t.lingers = slices.Clone(t.waiting[len(batch):]), false
	t.mu.Unlock()
	sendBatch(t.client, batch)
	t.mu.Lock()
	more := len(t.waiting) > 0 && !t.lingers
	if !more {
		t.senders--
	}
	t.mu.Unlock()
	if more {
		go t.send()
	}
}

// sendBatch sends the commands whose callers still wait. Each has its own answer, or error.
func sendBatch(client redis.UniversalClient, batch []*sent) {
	defer func() {
		for _, s := range batch {
			close(s.done)
		}
	}()
	wanted := slices.DeleteFunc(slices.Clone(batch), func(s *sent) bool {
		if err := s.ctx.Err(); err != nil {
			s.cmd.SetErr(err)
			return true
		}
		return false
	})
	switch len(wanted) {
	case 0:
		return
	case 1:
		_ = client.Process(wanted[0].ctx, wanted[0].cmd) // which has its error
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), operationTimeout)
	defer cancel()
	pipe := client.Pipeline()
	for _, s := range wanted {
		_ = pipe.Process(ctx, s.cmd) // it is only added
	}
	_, _ = pipe.Exec(ctx) // each command has its error
}
