package recovery

import (
	"slices"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// longestGap is how far two looks at the sessions may lie apart for the time between
// them to count as silence: Redis was not there to hear anybody for longer.
const longestGap = 2 * lookEvery

// sessions are the sessions that may have calls open, as Redis knows them and knew them
// before it lost what it had.
type sessions struct {
	// silent is for how long each was silent while Redis was there to hear it.
	silent map[string]time.Duration
	// complete is whether these are all: an open epoch was seen, and who lives under it.
	complete bool
	// watched is for how long Redis was there, and lookedAt when it was last asked.
	watched  time.Duration
	lookedAt time.Time
}

// replace makes the sessions those that live under an open epoch.
func (s *sessions) replace(fleet limiterstore.Fleet, now time.Time) {
	s.silent, s.complete = nil, true
	s.hear(fleet, now)
}

// hear takes in which sessions live by what Redis says now. Others stay: Redis may have
// lost what it knew of them.
func (s *sessions) hear(fleet limiterstore.Fleet, now time.Time) {
	if gap := now.Sub(s.lookedAt); gap <= longestGap {
		s.watched += gap
		for session := range s.silent {
			s.silent[session] += gap
		}
	}
	s.lookedAt = now
	if s.silent == nil {
		s.silent = map[string]time.Duration{}
	}
	for session := range fleet.Sessions {
		s.silent[session] = fleet.Silent[session]
	}
}

// all reports whether these are all sessions that may have calls open: everybody who
// lives has had the time to say so.
func (s *sessions) all() bool {
	return s.complete || s.watched >= limiterv1.SessionLife+limiterv1.Heartbeat
}

// awaited are the sessions that live, or may live, and have not announced.
func (s *sessions) awaited(announced map[string]bool) (missing []string) {
	for session, silent := range s.silent {
		if !announced[session] && silent < limiterv1.SessionLife {
			missing = append(missing, session)
		}
	}
	slices.Sort(missing)
	return missing
}
