package fakeprovider_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

// askFake asks the fake, and returns the status and the body of its answer.
func askFake(p *fakeprovider.Provider, path, body string) (int, string) {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Anthropic-Version", "2023-06-01")
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

// TestTools: an answer calls the tool that is asked for, with arguments that its schema allows;
// it goes on without a call once the client has run it.
func TestTools(t *testing.T) {
	const schema = `{"type":"object","properties":{"city":{"type":"string"},"days":{"type":["integer","null"]},"unit":{"type":"string","enum":["C","F"]}}}`
	const arguments = `{\"city\":\"text\",\"days\":1,\"unit\":\"C\"}`
	for name, tc := range map[string]struct{ path, body, want, resumed string }{
		"Chat Completions": {
			"/v1/chat/completions",
			`{"model":"gpt-4o","messages":[{"role":"user","content":"hi [[tool=b]]"}MORE],"tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b","parameters":` + schema + `}}]}`,
			`"function":{"arguments":"` + arguments + `","name":"b"}`, `,{"role":"tool","content":"x"}`,
		},
		"Responses": {
			"/v1/responses", `{"model":"gpt-5","input":[{"role":"user","content":"hi"}MORE],"tools":[{"type":"web_search"},{"type":"namespace","name":"n","tools":[{"type":"custom","name":"c"}]}]}`,
			`"input":"as asked","name":"c","namespace":"n"`, `,{"type":"custom_tool_call_output","output":"x"}`,
		},
		"Messages": {
			"/v1/messages", `{"model":"claude-sonnet-4-5","max_tokens":50,"messages":[{"role":"user","content":"hi"}MORE],"tools":[{"name":"b","input_schema":` + schema + `}]}`,
			`"input":{"city":"text","days":1,"unit":"C"},"name":"b","type":"tool_use"`, `,{"role":"user","content":[{"type":"tool_result","content":"x"}]}`,
		},
		"Gemini": {
			"/v1beta/models/gemini-2.5-flash:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}MORE],"tools":[{"functionDeclarations":[{"name":"b","parameters":` + schema + `}]}]}`,
			`"functionCall":{"args":{"city":"text","days":1,"unit":"C"},"name":"b"}`, `,{"role":"user","parts":[{"functionResponse":{"name":"b"}}]}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := fakeprovider.New(fakeprovider.Options{})
			if status, got := askFake(p, tc.path, strings.Replace(tc.body, "MORE", "", 1)); status != http.StatusOK || !strings.Contains(got, tc.want) {
				t.Errorf("got %d %s, want %s in it", status, got, tc.want)
			}
			if status, got := askFake(p, tc.path, strings.Replace(tc.body, "MORE", tc.resumed, 1)); status != http.StatusOK || strings.Contains(got, tc.want) {
				t.Errorf("with its result: got %d %s", status, got)
			}
		})
	}
	if status, got := askFake(fakeprovider.New(fakeprovider.Options{}), "/v1/chat/completions", `{"model":"gpt-4o","messages":[{"role":"user","content":"[[tool=z]]"}]}`); status != http.StatusBadRequest {
		t.Errorf("a tool that is not there: %d %s", status, got)
	}
}

// TestStructure: an answer that must be JSON is, however many tokens it has.
func TestStructure(t *testing.T) {
	for _, output := range []string{"1", "3", "40", "200"} {
		body := `{"model":"gpt-4o","max_tokens":300,"messages":[{"role":"user","content":"[[output=` + output + `]]"}],
			"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object","properties":{"a":{"type":"array","items":{"type":"boolean"}}}}}}}`
		_, got := askFake(fakeprovider.New(fakeprovider.Options{}), "/v1/chat/completions", body)
		var answer struct {
			Choices []struct{ Message struct{ Content string } }
		}
		if err := json.Unmarshal([]byte(got), &answer); err != nil || len(answer.Choices) != 1 || answer.Choices[0].Message.Content != `{"a":[true]}` {
			t.Errorf("%s tokens: %v %s", output, err, got)
		}
	}
}

// TestHelpers: what is free is answered, and not billed.
func TestHelpers(t *testing.T) {
	p := fakeprovider.New(fakeprovider.Options{})
	for path, tc := range map[string][2]string{
		"/v1/messages/count_tokens":                   {`{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"one two"}]}`, `{"input_tokens":6}`},
		"/v1/responses/input_tokens":                  {`{"model":"gpt-5","input":"one two"}`, `{"input_tokens":6,"object":"response.input_tokens"}`},
		"/v1beta/models/gemini-2.5-flash:countTokens": {`{"contents":[{"role":"user","parts":[{"text":"one two"}]}]}`, `{"totalTokens":6}`},
		"/v1/moderations":                             {`{"input":"one two"}`, `{"id":"modr-1","model":"omni-moderation-latest","results":[{"categories":{},"category_scores":{},"flagged":false}]}`},
	} {
		if status, got := askFake(p, path, tc[0]); status != http.StatusOK || got != tc[1] {
			t.Errorf("%s: %d %s, want %s", path, status, got, tc[1])
		}
	}
	if bill := p.Bill(); len(bill.Calls) != 0 {
		t.Errorf("the bill has %+v", bill.Calls)
	}
}
