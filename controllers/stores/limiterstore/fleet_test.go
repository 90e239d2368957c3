package limiterstore_test

import (
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

func TestReached(t *testing.T) {
	at := func(incarnation string, revision int64) limiterv1.SessionState {
		return limiterv1.SessionState{Incarnation: incarnation, Revision: revision}
	}
	for name, tc := range map[string]struct {
		sessions []limiterv1.SessionState
		want     int64
	}{
		"nobody":                     {want: 0},
		"the slowest of them":        {sessions: []limiterv1.SessionState{at("now", 7), at("now", 5), at("now", 9)}, want: 5},
		"one is in an earlier life":  {sessions: []limiterv1.SessionState{at("now", 7), at("before", 90)}, want: 0},
		"one has not said anything":  {sessions: []limiterv1.SessionState{at("now", 7), {}}, want: 0},
		"all have said the same one": {sessions: []limiterv1.SessionState{at("now", 7), at("now", 7)}, want: 7},
	} {
		t.Run(name, func(t *testing.T) {
			fleet := limiterstore.Fleet{Incarnation: "now", Sessions: map[string]limiterv1.SessionState{}}
			for i, state := range tc.sessions {
				fleet.Sessions[string(rune('a'+i))] = state
			}
			if got := fleet.Reached(); got != tc.want {
				t.Errorf("reached %d, want %d", got, tc.want)
			}
		})
	}
}
