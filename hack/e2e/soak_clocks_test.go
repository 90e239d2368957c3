package e2e

import (
	"errors"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// clockFaults set the clock of Redis, which is one of its own only if the soak has the stack
// for itself.
func clockFaults() []fault {
	return []fault{
		{"the clock of Redis jumps, and comes back", "r", false, func(s *struck) error {
			return s.jump(func() error { return nil })
		}},
		{"Redis forgets while its clock is wrong", "r", false, func(s *struck) error { return s.jump(s.forget) }},
		{"the clock of Redis comes back when it has forgotten", "r", false, func(s *struck) error {
			return errors.Join(s.jump(func() error { return nil }), s.forget())
		}},
	}
}

// jump sets the clock of Redis ahead or back by an hour or a day, and right again after a
// while, in the midst of which something happens.
func (s *struck) jump(meanwhile func() error) error {
	ahead := s.wrongClock()
	s.mostAhead = max(s.mostAhead, ahead)
	s.Logf("%s the clock of Redis is %s ahead", clock(time.Now()), ahead)
	if err := bursar.SetRedisClock(ahead); err != nil {
		return err
	}
	s.pause(0, 8*time.Second)
	err := meanwhile()
	s.pause(0, 8*time.Second)
	return errors.Join(err, bursar.SetRedisClock(0))
}

// wrongClock is how far the clock may be ahead: as far as docs/guarantees.md says that the
// limiter's time, which may be where the clock was, is believed.
func (s *struck) wrongClock() time.Duration {
	for {
		ahead := []time.Duration{time.Hour, 24 * time.Hour, -time.Hour, -24 * time.Hour}[s.chance.IntN(4)]
		if s.mostAhead-ahead < limiterv1.MostAhead-time.Hour {
			return ahead
		}
	}
}
