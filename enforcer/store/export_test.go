package store

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// NewWithClock makes a Store whose scripts read the time from a Lua expression.
func NewWithClock(client redis.UniversalClient, session, clock string) *Store {
	s := New(client, session)
	s.epoch.scripts = func(e limiterv1.Epoch) scripts {
		at := func(text string) *redis.Script {
			return redis.NewScript(strings.ReplaceAll(scriptHead(e)+text, "redis.call('TIME')", clock))
		}
		return scripts{at(admitText), at(settleText), at(takeText)}
	}
	return s
}

// Asking is an admission, and the Store that asks for it.
type Asking struct {
	By  *Store
	For admission.AdmitRequest
}

// AdmitTogether asks Redis for admissions with one write, and returns what the script answers to each.
func AdmitTogether(all ...Asking) (answers []any) {
	batch := make([]*sent, len(all))
	for i, a := range all {
		batch[i] = newSent(context.Background(), a.By.admission(a.By.epoch.valid, a.For, 0))
	}
	return all[0].By.send(batch)
}

// SettleTogether is AdmitTogether for settlements.
func (s *Store) SettleTogether(requests ...admission.SettleRequest) (answers []any) {
	batch := make([]*sent, len(requests))
	for i, r := range requests {
		batch[i] = newSent(context.Background(), s.epoch.valid.settlement(settlementOf(s.session, r)))
	}
	return s.send(batch)
}

func (s *Store) send(batch []*sent) (answers []any) {
	sendBatch(s.client, batch)
	for _, b := range batch {
		if err := b.answer.Err(); err != nil {
			answers = append(answers, err)
		} else {
			answers = append(answers, b.answer.Val())
		}
	}
	return answers
}

// Load loads the scripts of the epoch.
func (s *Store) Load(ctx context.Context) error { return s.epoch.valid.load(ctx) }

// Waiting is how many admissions wait to be sent.
func (s *Store) Waiting() int { return s.epoch.admits.of(0).count() }

func (t *together) count() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, calls := range t.waiting.calls {
		n += len(calls)
	}
	return n
}

// WithConstants is a script with the values of its constants in the place of their names.
var WithConstants = withConstants

// LetSettlementsWait has settlements wait for an admission, whenever it comes, from now on.
func (s *Store) LetSettlementsWait() {
	s.epoch.settles.timing = timing{linger: time.Hour, alsoAlone: true}
}

// WaitingSettlements is how many settlements wait to be sent.
func (s *Store) WaitingSettlements() int { return s.epoch.settles.of(0).count() }
