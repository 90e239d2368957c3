package call_test

import (
	"encoding/json"
	"io"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// blamed notes of which models providers were said to have answered.
type blamed []string

// statuses notes with which statuses they were said to have answered.
type statuses []int

func (*statuses) Failed(limiterv1.Provider, error) {}

func (s *statuses) Answered(_ limiterv1.Provider, _, _ string, status int) bool {
	*s = append(*s, status)
	return false
}

func (*blamed) Failed(limiterv1.Provider, error) {}

func (b *blamed) Answered(_ limiterv1.Provider, model, endpoint string, _ int) bool {
	*b = append(*b, model+" at "+endpoint)
	return false
}

// TestCallersBlameNoModel: a caller that names a file that does not exist does not make the model
// look, to everybody, as if it were gone.
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
			door.serve(t.Context(), toyRequest{header: textproto.MIMEHeader{"Authorization": {"Bearer key"}}, body: tc.body})
			if len(*told) != 1 || (*told)[0] != tc.want {
				t.Errorf("told %q, want %q", *told, tc.want)
			}
		})
	}
}

// TestKeyIsRejectedInTheBody: Google answers 400 to a wrong key. That is the operator's matter;
// whatever else the answer has is the caller's, who cannot make the provider look broken.
func TestKeyIsRejectedInTheBody(t *testing.T) {
	const info = `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com",` +
		`"metadata":{"service":"generativelanguage.googleapis.com"}}`
	body := func(message, details string) string {
		quoted, _ := json.Marshal(message)
		return `{"error":{"code":400,"message":` + string(quoted) + `,"status":"INVALID_ARGUMENT","details":[` + details + `]}}`
	}
	rejected := body("API key not valid. Please pass a valid API key.", info+`,{"@type":"type.googleapis.com/google.rpc.LocalizedMessage"}`)
	for name, tc := range map[string]struct {
		status int
		pieces []string
		broken error
		want   int
	}{
		"a key that Google does not know":    {400, []string{rejected[:50], rejected[50:]}, nil, 401},
		"a message that quotes it":           {400, []string{body(`API key not valid: {"details":[`+info+`]}`, "")}, nil, 400},
		"another reason":                     {400, []string{body("no", strings.Replace(info, "API_KEY_INVALID", "BAD_REQUEST", 1))}, nil, 400},
		"the reason of another domain":       {400, []string{body("no", strings.Replace(info, "googleapis.com\",\"meta", "example.com\",\"meta", 1))}, nil, 400},
		"a whole answer that says so":        {200, []string{rejected}, nil, 200},
		"an answer that is cut off":          {400, []string{rejected[:len(rejected)-1]}, io.ErrUnexpectedEOF, 400},
		"an answer that is longer than that": {400, []string{rejected, strings.Repeat(" ", protocol.MaxRejection)}, nil, 400},
		"an answer that is none":             {400, nil, nil, 400},
	} {
		t.Run(name, func(t *testing.T) {
			w, told := newWorld(t, acme(), "https://provider"), &statuses{}
			w.config.route.Provider.Protocol = limiterv1.Gemini
			w.calls.Providers = told
			door := toyDoor{w.calls, func(*call.Forward) toyAnswer { return answers(tc.status, "application/json", tc.broken, tc.pieces...) }}
			reply := door.serve(t.Context(), toyRequest{
				header: textproto.MIMEHeader{"X-Goog-Api-Key": {"key"}}, body: `{"contents":[{"parts":[{"text":"hi"}]}]}`,
				endpoint: protocol.GenerateContent{}, path: "/v1beta/models/mini:generateContent",
			})
			if !slices.Equal(*told, []int{tc.want}) {
				t.Errorf("it is told of %v, want %d", *told, tc.want)
			}
			isHidden := reply.status == 502 && strings.Contains(reply.body, "PROVIDER_REFUSED") && !strings.Contains(reply.body, "API_KEY_INVALID")
			if want := tc.want == 401; isHidden != want || !want && tc.broken == nil && reply.body != strings.Join(tc.pieces, "") {
				t.Errorf("the client gets %d %s", reply.status, reply.body)
			}
		})
	}
}
