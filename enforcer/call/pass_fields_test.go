package call_test

import (
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/enforcer/call"
)

// TestPassFields: what is unpriced goes on, as it is, to a provider whose ModelProvider
// passes it, and is refused for any other, with what to write there.
func TestPassFields(t *testing.T) {
	const unknown = `{"model":"mini","messages":[{"role":"user","content":"hi","zz":1}],"yy":{"a":1},"max_tokens":5}`
	const tool = `{"model":"mini","messages":[],"tools":[{"type":"web_search","zz":1}],"max_tokens":5}`
	for name, tc := range map[string]struct {
		body   string
		passes []string
		param  string // empty: it goes on
		add    string
	}{
		"none":                  {unknown, nil, "messages[0].zz", "messages[].zz"},
		"one of two":            {unknown, []string{"messages[].zz"}, "yy", "yy"},
		"both":                  {unknown, []string{"yy", "messages[].zz"}, "", ""},
		"all":                   {unknown, []string{"*"}, "", ""},
		"one within":            {unknown, []string{"messages[].zz", "yy.a"}, "yy", "yy"},
		"another's type":        {tool, []string{"tools[].type=mcp"}, "tools[0].type", "tools[].type=web_search"},
		"the type":              {tool, []string{"tools[].type=web_search"}, "", ""},
		"any type":              {tool, []string{"tools[].type"}, "", ""},
		"a type with something": {tool, []string{"tools[].type=web_search_2"}, "tools[0].type", "tools[].type=web_search"},
		"what is never allowed": {`{"model":"mini","messages":[],"n":1000}`, []string{"*"}, "n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, acme(), "")
			w.config.route.Provider.PassFields = tc.passes
			c, _ := begin(w, "key", tc.body)
			defer c.End()
			forward, response := c.Admit(t.Context())
			if tc.param == "" {
				if response != nil {
					t.Fatalf("got %d %s", response.Status, response.Body)
				}
				if want := strings.Replace(tc.body, `"mini"`, `"mini-2026"`, 1); string(forward.Body) != want {
					t.Errorf("sent on:\n%s, want\n%s", forward.Body, want)
				}
				return
			}
			checkUnpriced(t, response, tc.param, tc.add)
		})
	}
}

func checkUnpriced(t *testing.T, response *call.Response, param, add string) {
	t.Helper()
	if response == nil || response.Status != 400 || response.Problem.Param != param {
		t.Fatalf("got %+v, want %s refused", response, param)
	}
	if add == "" {
		return
	}
	want := `add "` + add + `" to spec.passFields of ModelProvider fake`
	if response.Problem.Code != "unsupported_parameter" || !strings.Contains(response.Problem.Message, want) {
		t.Errorf("got %s: %s, want one that says %s", response.Problem.Code, response.Problem.Message, want)
	}
}
