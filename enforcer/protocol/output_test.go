package protocol_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// TestOutputLimits: what bounds the output is written into the request, in the member in
// which the client has bounded it, and held; all else stays as the client wrote it.
func TestOutputLimits(t *testing.T) {
	chat, responses, messages, gemini := protocol.ChatCompletions{}, protocol.Responses{}, protocol.Messages{}, protocol.GenerateContent{}
	limited := func(assumed, most int64) protocol.OutputLimits {
		return protocol.OutputLimits{Assumed: assumed, Cap: most}
	}
	for name, tc := range map[string]struct {
		endpoint       protocol.Endpoint
		body, wantBody string
		limits         protocol.OutputLimits
		want           protocol.OutputBound
		wantOutput     int64
	}{
		"a chat that asks for more": {
			chat, `{"model":"maxi-2026","max_tokens":90,"n":2,"messages":[]}`, `{"model":"maxi-2026","max_tokens":40,"n":2,"messages":[]}`,
			limited(0, 40), protocol.OutputBound{Tokens: 40, Uncapped: 90, Least: 1, Param: "max_tokens", Named: true}, 80,
		},
		"by both names": {
			chat, `{"model":"maxi-2026","max_completion_tokens":90,"messages":[],"max_tokens":90}`,
			`{"model":"maxi-2026","max_completion_tokens":40,"messages":[],"max_tokens":40}`,
			limited(7, 40), protocol.OutputBound{Tokens: 40, Uncapped: 90, Least: 1, Param: "max_completion_tokens", Named: true}, 40,
		},
		"more than the model gives, and than it may": {
			chat, `{"model":"maxi-2026","max_tokens":64000,"messages":[]}`, `{"model":"maxi-2026","max_tokens":40,"messages":[]}`,
			limited(0, 40), protocol.OutputBound{Tokens: 40, Uncapped: 64000, Least: 1, Param: "max_tokens", Named: true}, 40,
		},
		"a chat that asks for less": {
			chat, `{"model":"maxi-2026","max_tokens":30,"messages":[]}`, `{"model":"maxi-2026","max_tokens":30,"messages":[]}`,
			limited(0, 40), protocol.OutputBound{Tokens: 30, Uncapped: 30, Least: 1, Param: "max_tokens", Named: true}, 30,
		},
		"a chat that does not say": {
			chat, `{"model":"maxi-2026","max_tokens":null,"messages":[]}`, `{"max_completion_tokens":40,"model":"maxi-2026","max_tokens":null,"messages":[]}`,
			limited(0, 40), protocol.OutputBound{Tokens: 40, Uncapped: 100, Least: 1, Param: "max_completion_tokens"}, 40,
		},
		"where less is assumed": {
			chat, `{"model":"maxi-2026","messages":[]}`, `{"max_completion_tokens":7,"model":"maxi-2026","messages":[]}`,
			limited(7, 40), protocol.OutputBound{Tokens: 7, Uncapped: 7, Least: 1, Param: "max_completion_tokens"}, 7,
		},
		"where more is assumed": {
			chat, `{"model":"maxi-2026","messages":[]}`, `{"max_completion_tokens":40,"model":"maxi-2026","messages":[]}`,
			limited(70, 40), protocol.OutputBound{Tokens: 40, Uncapped: 70, Least: 1, Param: "max_completion_tokens"}, 40,
		},
		"a response": {
			responses, `{"model":"maxi-2026","input":"hi","max_output_tokens":90}`, `{"model":"maxi-2026","input":"hi","max_output_tokens":40}`,
			limited(0, 40), protocol.OutputBound{Tokens: 40, Uncapped: 90, Least: 16, Param: "max_output_tokens", Named: true}, 40,
		},
		"a message": {
			messages, `{"model":"maxi-2026","max_tokens":90,"messages":[]}`, `{"model":"maxi-2026","max_tokens":40,"messages":[]}`,
			limited(7, 40), protocol.OutputBound{Tokens: 40, Uncapped: 90, Least: 1, Param: "max_tokens", Named: true}, 40,
		},
		"a message that may think": {
			messages, `{"model":"maxi-2026","max_tokens":90,"messages":[],"thinking":{"type":"enabled","budget_tokens":39}}`,
			`{"model":"maxi-2026","max_tokens":40,"messages":[],"thinking":{"type":"enabled","budget_tokens":39}}`,
			limited(0, 40), protocol.OutputBound{Tokens: 40, Uncapped: 90, Least: 40, Param: "max_tokens", Named: true}, 40,
		},
		"a message that may think between calls of tools": {
			messages, `{"model":"maxi-2026","max_tokens":90,"messages":[],"thinking":{"type":"enabled","budget_tokens":200}}`,
			`{"model":"maxi-2026","max_tokens":40,"messages":[],"thinking":{"type":"enabled","budget_tokens":200}}`,
			limited(0, 40), protocol.OutputBound{Tokens: 40, Uncapped: 90, Least: 1, Param: "max_tokens", Named: true}, 40,
		},
		"Gemini": {
			gemini, `{"contents":[],"generationConfig":{"maxOutputTokens":90,"topK":3,"candidateCount":2}}`,
			`{"contents":[],"generationConfig":{"topK":3,"candidateCount":2,"maxOutputTokens":40}}`,
			limited(0, 40), protocol.OutputBound{Tokens: 40, Uncapped: 90, Least: 1, Param: "generationConfig.maxOutputTokens", Named: true}, 80,
		},
		"Gemini in snake case": {
			gemini, `{"contents":[],"generation_config":{"max_output_tokens":90}}`, `{"contents":[],"generation_config":{"maxOutputTokens":40}}`,
			limited(0, 40), protocol.OutputBound{Tokens: 40, Uncapped: 90, Least: 1, Param: "generationConfig.maxOutputTokens", Named: true}, 40,
		},
		"Azure": {
			protocol.AzureChatCompletions{}, `{"max_tokens":90,"messages":[]}`, `{"max_tokens":40,"messages":[]}`,
			limited(0, 40), protocol.OutputBound{Tokens: 40, Uncapped: 90, Least: 1, Param: "max_tokens", Named: true}, 40,
		},
		"embeddings, which have no output": {
			protocol.Embeddings{}, `{"model":"maxi-2026","input":"hi"}`, `{"model":"maxi-2026","input":"hi"}`, limited(7, 40), protocol.OutputBound{}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := tc.endpoint.Read(incoming(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			call, err := request.For(maxi, tc.limits)
			if err != nil {
				t.Fatal(err)
			}
			if string(call.Body()) != tc.wantBody {
				t.Errorf("\n got %s\nwant %s", call.Body(), tc.wantBody)
			}
			if call.Output != tc.want || call.Bound.Output != tc.wantOutput {
				t.Errorf("\n got %+v, %d of output\nwant %+v, %d", call.Output, call.Bound.Output, tc.want, tc.wantOutput)
			}
		})
	}
}

// TestOutputLimitsRefuse: a request that the provider would not take with so little output
// is refused, and told why.
func TestOutputLimitsRefuse(t *testing.T) {
	request, err := protocol.Messages{}.Read(incoming(
		`{"model":"maxi","max_tokens":90,"messages":[],"thinking":{"type":"enabled","budget_tokens":40}}`))
	if err != nil {
		t.Fatal(err)
	}
	_, err = request.For(maxi, protocol.OutputLimits{Cap: 40})
	var wrong *protocol.RequestError
	if !errors.As(err, &wrong) || wrong.Param != "thinking.budget_tokens" || !strings.Contains(err.Error(), "must be less than 40") {
		t.Errorf("got %v", err)
	}
}
