package call_test

import (
	"net/textproto"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/call"
)

// blamed notes of which models providers were said to have answered.
type blamed []string

func (*blamed) Failed(limiterv1.Provider, error) {}

func (b *blamed) Answered(_ limiterv1.Provider, model, endpoint string, _ int) bool {
	*b = append(*b, model+" at "+endpoint)
	return false
}

// TestCallersBlameNoModel: who names a file that is not there does not make the model look as if
// it were gone, for everybody.
func TestCallersBlameNoModel(t *testing.T) {
	file := `{"model":"mini","messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"none"}}]}]}`
	for name, tc := range map[string]struct {
		body   string
		status int
		want   string
	}{
		"text that is not found":     {chat, 404, "mini at /v1/chat/completions"},
		"a file that is not found":   {file, 404, " at /v1/chat/completions"},
		"a file that is forbidden":   {file, 403, " at /v1/chat/completions"},
		"a file with a wrong key":    {file, 401, "mini at /v1/chat/completions"},
		"a file that was understood": {file, 200, "mini at /v1/chat/completions"},
	} {
		t.Run(name, func(t *testing.T) {
			w, told := newWorld(t, acme(), "https://provider"), &blamed{}
			w.config.route.Model.ContextWindow = 1000
			w.config.route.Provider.Models = []limiterv1.Model{w.config.route.Model}
			w.calls.Providers = told
			door := toyDoor{w.calls, func(*call.Forward) toyAnswer { return answers(tc.status, "application/json", nil, answerBody) }}
			door.serve(t.Context(), toyRequest{textproto.MIMEHeader{"Authorization": {"Bearer key"}}, tc.body})
			if len(*told) != 1 || (*told)[0] != tc.want {
				t.Errorf("told %q, want %q", *told, tc.want)
			}
		})
	}
}
