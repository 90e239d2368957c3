package protocol_test

import (
	"testing"

	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// TestRefers: a request that names something that a provider may not find is told apart, so that
// no caller makes a model look as if it were gone.
func TestRefers(t *testing.T) {
	chat := func(part string) string {
		return `{"model":"maxi","messages":[{"role":"user","content":[` + part + `]}]}`
	}
	messages := func(block string) string {
		return `{"model":"maxi","max_tokens":7,"messages":[{"role":"user","content":[` + block + `]}]}`
	}
	for name, tc := range map[string]struct {
		endpoint protocol.Endpoint
		body     string
		want     bool
	}{
		"text":                     {protocol.ChatCompletions{}, chat(`{"type":"text","text":"hi"}`), false},
		"a file":                   {protocol.ChatCompletions{}, chat(`{"type":"file","file":{"file_id":"f"}}`), true},
		"an image":                 {protocol.ChatCompletions{}, chat(`{"type":"image_url","image_url":{"url":"https://x"}}`), true},
		"a text of Responses":      {protocol.Responses{}, `{"model":"maxi","input":"hi"}`, false},
		"an earlier response":      {protocol.Responses{}, `{"model":"maxi","input":"hi","previous_response_id":"r"}`, true},
		"a conversation":           {protocol.Responses{}, `{"model":"maxi","input":"hi","conversation":"c"}`, true},
		"an item":                  {protocol.Responses{}, `{"model":"maxi","input":[{"type":"item_reference","id":"i"}]}`, true},
		"an image by its id":       {protocol.Responses{}, `{"model":"maxi","input":[{"role":"user","content":[{"type":"input_image","file_id":"f"}]}]}`, true},
		"a text of Messages":       {protocol.Messages{}, messages(`{"type":"text","text":"hi"}`), false},
		"a document":               {protocol.Messages{}, messages(`{"type":"document","source":{"type":"file","file_id":"f"}}`), true},
		"an image by its id there": {protocol.Messages{}, messages(`{"type":"image","source":{"type":"file","file_id":"f"}}`), true},
		"a text of Gemini":         {protocol.GenerateContent{}, `{"contents":[{"parts":[{"text":"hi"}]}]}`, false},
		"a file of Gemini":         {protocol.GenerateContent{}, `{"contents":[{"parts":[{"fileData":{"fileUri":"u"}}]}]}`, true},
		"cached content":           {protocol.GenerateContent{}, `{"contents":[],"cachedContent":"c"}`, true},
		"input of embeddings":      {protocol.Embeddings{}, `{"model":"maxi","input":"hi"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := tc.endpoint.Read(protocol.Incoming{Model: "maxi", Body: []byte(tc.body)})
			if err != nil {
				t.Fatal(err)
			}
			if got := protocol.Refers(parsed); got != tc.want {
				t.Errorf("got %t, want %t", got, tc.want)
			}
		})
	}
}
