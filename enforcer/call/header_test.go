package call_test

import (
	"net/textproto"
	"reflect"
	"testing"

	"github.com/bursar-dev/bursar/enforcer/call"
)

// TestHeaderOfAnAnswer: of the header of an answer, nothing is left that is about the
// connection to the provider or the account there.
func TestHeaderOfAnAnswer(t *testing.T) {
	answer := answers(200, "application/json", nil, answerBody)
	answer.header = textproto.MIMEHeader{
		"Content-Type":                   {"application/json"},
		"X-Upstream-Id":                  {"req_1"},
		"Retry-After":                    {"3"},
		"X-Ratelimit-Limit-Tokens":       {"10000"},
		"X-Ratelimit-Remaining-Requests": {"9999"},
		"Connection":                     {"keep-alive, X-Hop", "x-other-hop"},
		"X-Hop":                          {"1"},
		"X-Other-Hop":                    {"1"},
		"Keep-Alive":                     {"timeout=5"},
		"Transfer-Encoding":              {"chunked"},
		"Set-Cookie":                     {"__cf_bm=1"},
		"Openai-Organization":            {"acme-inc"},
		"Anthropic-Ratelimit-Reset":      {"1s"},
		"Anthropic-Organization-Id":      {"acme-inc"},
	}
	door := &toyDoor{calls: newWorld(t, acme(), "").calls, provider: func(*call.Forward) toyAnswer { return answer }}
	got := comparableHeader(door.serve(t.Context(), exchange{body: chat}.request()).header)
	want := textproto.MIMEHeader{
		"Content-Type":  {"application/json"},
		"X-Upstream-Id": {"req_1"},
		"Retry-After":   {"3"},
		// Bursar's own
		"X-Ratelimit-Limit-Requests": {"20"}, "X-Ratelimit-Remaining-Requests": {"19"}, "X-Ratelimit-Reset-Requests": {"3s"},
		"X-Bursar-Cost-Usd": {"0.000058"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
