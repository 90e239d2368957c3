package protocol_test

import (
	"testing"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// TestNoMessageForStructure: a request that demands JSON, or a call of a tool, gets no message of
// text; a request that only allows it does.
func TestNoMessageForStructure(t *testing.T) {
	chat, responses, messages, gemini := protocol.ChatCompletions{}, protocol.Responses{}, protocol.Messages{}, protocol.GenerateContent{}
	const chatHead, responsesHead = `{"model":"maxi","messages":[],`, `{"model":"maxi","input":"hi",`
	const messagesHead, geminiHead = `{"model":"maxi","max_tokens":9,"messages":[],`, `{"contents":[],`
	for _, tc := range []struct {
		endpoint protocol.Endpoint
		body     string
		want     bool
	}{
		{chat, chatHead + `"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{}}}}`, false},
		{chat, chatHead + `"response_format":{"type":"json_object"},"stream":true}`, false},
		{chat, chatHead + `"response_format":{"type":"text"}}`, true},
		{chat, chatHead + `"response_format":null,"tool_choice":null}`, true},
		{chat, chatHead + `"tool_choice":"required"}`, false},
		{chat, chatHead + `"tool_choice":{"type":"function","function":{"name":"f"}}}`, false},
		{chat, chatHead + `"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[]}}}`, false},
		{chat, chatHead + `"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[]}}}`, true},
		{chat, chatHead + `"tool_choice":"auto","tools":[]}`, true},
		{chat, chatHead + `"function_call":{"name":"f"}}`, false},
		{chat, chatHead + `"function_call":"auto"}`, true},
		{protocol.AzureChatCompletions{}, `{"messages":[],"tool_choice":"required"}`, false},
		{responses, responsesHead + `"text":{"format":{"type":"json_schema","name":"a","schema":{}}}}`, false},
		{responses, responsesHead + `"text":{"format":{"type":"json_object"}}}`, false},
		{responses, responsesHead + `"text":{"format":{"type":"text"},"verbosity":"low"}}`, true},
		{responses, responsesHead + `"tool_choice":"required"}`, false},
		{responses, responsesHead + `"tool_choice":{"type":"custom","name":"f"}}`, false},
		{responses, responsesHead + `"tool_choice":{"type":"allowed_tools","mode":"required","tools":[]}}`, false},
		{responses, responsesHead + `"tool_choice":"none"}`, true},
		{messages, messagesHead + `"tool_choice":{"type":"any"}}`, false},
		{messages, messagesHead + `"tool_choice":{"type":"tool","name":"f"}}`, false},
		{messages, messagesHead + `"tool_choice":{"type":"auto"}}`, true},
		{messages, messagesHead + `"output_format":{"type":"json_schema","schema":{}}}`, false},
		{messages, messagesHead + `"output_config":{"format":{"type":"json_schema","schema":{}}}}`, false},
		{messages, messagesHead + `"output_config":{"effort":"low"}}`, true},
		{gemini, geminiHead + `"generationConfig":{"responseMimeType":"application/json"}}`, false},
		{gemini, geminiHead + `"generation_config":{"response_mime_type":"text/x.enum"}}`, false},
		{gemini, geminiHead + `"generationConfig":{"responseMimeType":"text/plain"}}`, true},
		{gemini, geminiHead + `"generationConfig":{"responseJsonSchema":{}}}`, false},
		{gemini, geminiHead + `"generationConfig":{"response_schema":{}}}`, false},
		{gemini, geminiHead + `"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}}`, false},
		{gemini, geminiHead + `"tool_config":{"function_calling_config":{"mode":"any"}}}`, false},
		{gemini, geminiHead + `"toolConfig":{"functionCallingConfig":{"mode":2}}}`, false},
		{gemini, geminiHead + `"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}}`, true},
	} {
		request, err := tc.endpoint.Read(incoming(tc.body))
		if err != nil {
			t.Errorf("%s: %v", tc.body, err)
			continue
		}
		if answer, ok := request.Message(protocol.Text{ID: "1", Content: "later"}); ok != tc.want {
			t.Errorf("%s: there is a message: %t, want %t\n%s", tc.body, ok, tc.want, answer.Body)
		}
	}
}
