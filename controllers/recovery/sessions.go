package recovery

import (
	"slices"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

const (
	// longestGap is the longest time between two looks at a store that counts as silence of
	// its sessions. After a longer gap, the store may not have been there to hear them.
	longestGap = 2 * lookEvery
	// sameTime is how much earlier a session's last heartbeat may be in one store than in
	// the other if both have heard it until the end: heartbeats go to both stores, each in
	// its own time.
	sameTime = 2 * limiterv1.Heartbeat
	// heardWithin is how long a store has to be there to have heard every live session that
	// can reach it.
	heardWithin = limiterv1.Heartbeat + limiterv1.Heartbeat/2
)

// heard are the sessions that a store has heard.
type heard struct {
	// silent is for how long each session was silent while the store was there to hear it,
	// and beat when the session was heard last, by this machine's clock.
	silent map[string]time.Duration
	beat   map[string]time.Time
	// watched is for how long the store was there, and askedAt when it was last asked.
	watched time.Duration
	askedAt time.Time
}

// take takes in which sessions a store says live, and for how long each has been silent.
// Other sessions stay: the store may have lost what it knew of them.
func (h *heard) take(live map[string]time.Duration, now time.Time) {
	if h.silent == nil {
		h.silent, h.beat = map[string]time.Duration{}, map[string]time.Time{}
	}
	if gap := now.Sub(h.askedAt); gap <= longestGap {
		h.watched += gap
		for session := range h.silent {
			h.silent[session] += gap
		}
	}
	h.askedAt = now
	for session, silent := range live {
		h.silent[session], h.beat[session] = silent, now.Add(-silent)
	}
}

// forgetAll forgets all sessions.
func (h *heard) forgetAll() { h.silent, h.beat = nil, nil }

// forget forgets sessions that have left.
func (h *heard) forget(sessions ...string) {
	for _, session := range sessions {
		delete(h.silent, session)
		delete(h.beat, session)
	}
}

// forgetOver forgets sessions whose life is over.
func (h *heard) forgetOver() {
	for session := range h.silent {
		if !h.lives(session) {
			h.forget(session)
		}
	}
}

// lives reports whether a session may live by what the store has heard.
func (h *heard) lives(session string) bool {
	silent, known := h.silent[session]
	return known && silent < limiterv1.SessionLife
}

// sessions are the sessions that may have calls open, as Redis and Postgres know them, or
// knew them before they lost their data.
type sessions struct {
	redis, postgres heard
	// complete is whether these are all of them: a valid epoch was seen, and the sessions
	// that live under it.
	complete bool
}

// all reports whether these are all sessions that may have calls open: the sessions under a
// valid epoch are known, or every live session has had the time to be heard.
func (s *sessions) all() bool {
	return s.complete || s.redis.watched >= heardWithin && s.postgres.watched >= heardWithin
}

// awaited are the sessions that live, or may live, and have not announced.
func (s *sessions) awaited(announced map[string]bool) (missing []string) {
	for session := range s.redis.silent {
		if !announced[session] && s.mayLive(session) {
			missing = append(missing, session)
		}
	}
	for session := range s.postgres.silent {
		if !announced[session] && s.mayLive(session) {
			missing = append(missing, session)
		}
	}
	slices.Sort(missing)
	return slices.Compact(missing)
}

// mayLive reports whether a session may live. It does while Postgres says so. After
// that, Redis is believed only if it has heard the session for longer than Postgres has:
// otherwise it may just not have been there to count the session's silence.
func (s *sessions) mayLive(session string) bool {
	if s.postgres.lives(session) {
		return true
	}
	_, known := s.postgres.silent[session]
	wasHeard := known && !s.postgres.beat[session].Before(s.redis.beat[session].Add(-sameTime))
	return s.redis.lives(session) && !wasHeard
}
