package protocol_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// fuzzRead: a request is refused with a reason, or bounded; and what the provider is
// sent reads as the same request, with the same bound of its output, and with nothing
// else in it that is unpriced.
func fuzzRead(f *testing.F, endpoint protocol.Endpoint, seeds ...string) {
	for _, seed := range seeds {
		f.Add([]byte(seed))
	}
	var unpriced []protocol.Unpriced
	read := func(body []byte) (protocol.BoundedCall, error) {
		request, err := endpoint.Read(streamed(incoming(string(body))))
		if err != nil {
			return protocol.BoundedCall{}, err
		}
		unpriced = request.Unpriced()
		model := maxi
		model.ContextWindow = 1_000_000
		model.UpstreamName = request.Model()
		return request.For(model, protocol.OutputLimits{})
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		call, err := read(bytes.Clone(body))
		var wrong *protocol.RequestError
		switch {
		case errors.As(err, &wrong):
			return
		case err != nil:
			t.Fatalf("an error that is not the request's: %v", err)
		case call.Cost < 0 || call.Bound.Validate() != nil || call.Bound.TotalInput() == 0:
			t.Fatalf("bound %+v, cost %s", call.Bound, call.Cost)
		case !gjson.ValidBytes(call.Body()):
			t.Fatalf("%s becomes %s", body, call.Body())
		}
		before := unpriced
		again, err := read(bytes.Clone(call.Body()))
		if err != nil {
			t.Fatalf("%s becomes %s, which is refused: %v", body, call.Body(), err)
		}
		if !bytes.Equal(again.Body(), call.Body()) || again.Bound.Output != call.Bound.Output || again.Path != call.Path {
			t.Fatalf("%s becomes %s, which becomes %s", body, call.Body(), again.Body())
		}
		if !slices.Equal(unpriced, before) {
			t.Fatalf("%s has unpriced %+v, and what it becomes %+v", body, before, unpriced)
		}
	})
}

func FuzzReadChatCompletions(f *testing.F) {
	fuzzRead(f, protocol.ChatCompletions{},
		`{"model":"maxi","messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:x"}}]}],"n":2,"stream":true}`,
		`{"model":"maxi","messages":[],"service_tier":"priority","modalities":["audio"],"stream_options":{},"stream":true,"tools":[{"type":"function"}]}`,
		`{"model":"maxi","messages":[],"max_tokens":-1,"max_completion_tokens":7.0,"prompt_cache_options":{"mode":"explicit"}}`)
}

func FuzzReadResponses(f *testing.F) {
	fuzzRead(f, protocol.Responses{},
		`{"model":"maxi","input":"hi","previous_response_id":"r","max_output_tokens":5}`,
		`{"model":"maxi","input":[{"role":"user","content":[{"type":"input_text"},{"type":"input_image","image_url":"data:x"}]},{"type":"reasoning"}]}`)
}

func FuzzReadEmbeddings(f *testing.F) {
	fuzzRead(f, protocol.Embeddings{}, `{"model":"maxi","input":["hi",[1,2],3]}`, `{"model":"maxi","input":"hi"}`)
}

func FuzzReadAzure(f *testing.F) {
	fuzzRead(f, protocol.AzureChatCompletions{}, `{"messages":[],"max_tokens":5}`, `{"model":"x","messages":[]}`)
}

// FuzzReadHelpers: a request that costs nothing is read, or refused, and asks for the same model in
// the same way when it is read again.
func FuzzReadHelpers(f *testing.F) {
	f.Add([]byte(`{"model":"maxi","input":"hi"}`))
	f.Add([]byte(`{"input":["hi",{"type":"image_url"}]}`))
	f.Add([]byte(`{"generateContentRequest":{"model":"models/maxi","contents":[]}}`))
	f.Add([]byte(`{"generate_content_request":{"model":"maxi"},"contents":null}`))
	model := limiterv1.Model{Name: "maxi", UpstreamName: "maxi", Prices: price.Book{price.Default: {Base: price.List{price.Input: 0}}}}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, endpoint := range []protocol.Endpoint{protocol.CountTokens{}, protocol.ResponsesInputTokens{}, protocol.GeminiCountTokens{}, protocol.Moderations{}} {
			request, err := endpoint.Read(protocol.Incoming{Model: "maxi", Body: bytes.Clone(body)})
			if err != nil {
				continue
			}
			call, err := request.For(model, protocol.OutputLimits{})
			if err != nil || call.Cost != 0 || call.Bound.Total() != 0 || !gjson.ValidBytes(call.Body()) {
				t.Fatalf("%s: %s becomes %s at %s, %v", endpoint.Path(), body, call.Body(), call.Cost, err)
			}
			again, err := endpoint.Read(protocol.Incoming{Model: "maxi", Body: bytes.Clone(call.Body())})
			if err != nil || request.Model() != "" && again.Model() != "maxi" && again.Model() != "omni-moderation-latest" {
				t.Fatalf("%s: %s becomes %s: %v", endpoint.Path(), body, call.Body(), err)
			}
		}
	})
}

func FuzzReadMessages(f *testing.F) {
	fuzzRead(f, protocol.Messages{},
		`{"model":"maxi","max_tokens":7,"messages":[],"thread":{"type":"continue","previous_message_id":"m"},"tools":[{"type":"web_search_20250305"}]}`,
		`{"model":"maxi","max_tokens":7,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"aa"}},{"type":"document","source":{"type":"content","content":[]}}]}]}`,
		`{"model":"maxi","max_tokens":7,"messages":[],"system":[{"type":"text","cache_control":{"ttl":"1h"}}],"tools":[{"name":"f"}],"context_management":{"edits":[]}}`,
		`{"model":"maxi","max_tokens":0,"messages":[],"inference_geo":"us","speed":"standard","tools":[{"type":"web_search_20250305","max_uses":3},{"type":"tool_search_tool_bm25"}],"mcp_servers":[]}`)
}

func FuzzReadGemini(f *testing.F) {
	fuzzRead(f, protocol.GenerateContent{Streamed: true},
		`{"contents":[{"parts":[{"text":"hi"},{"inline_data":{"mime_type":"image/png","data":"iVBORw0KGgo="}}]}],"generation_config":{"max_output_tokens":null}}`,
		`{"contents":{"parts":{"functionResponse":{"parts":[]}}},"generationConfig":{"candidateCount":2},"tools":[{"functionDeclarations":[]}]}`,
		`{"model":"models/maxi","contents":[],"tools":[{"google_search":{}},{"googleSearch":null}]}`)
}

func FuzzReadVercel(f *testing.F) {
	fuzzRead(f, vercel("/v3/ai/language-model"),
		`{"prompt":[{"role":"user","content":[{"type":"text","text":"hi"},{"type":"file","data":{"type":"data","data":"aa"},"mediaType":"image/png"}]}],"maxOutputTokens":7}`,
		`{"prompt":[{"role":"system","content":"s"}],"reasoning":"high","providerOptions":{"openai":{"serviceTier":"priority"},"anthropic":{"thinking":{"type":"enabled","budgetTokens":9}}}}`,
		`{"prompt":[{"role":"tool","content":[{"type":"tool-result","output":{"type":"content","value":[{"type":"media","mediaType":"audio/wav"}]}}]}],"tools":[{"type":"provider","id":"x.y"}]}`)
}

func FuzzReadVercelEmbeddings(f *testing.F) {
	fuzzRead(f, vercel("/v3/ai/embedding-model"), `{"values":["hi","ho"]}`, `{"input":"hi"}`)
}

// fuzzStream: wherever a stream is cut into pieces, the client sees every byte of it,
// and the usage and the end are the same.
func fuzzStream(f *testing.F, endpoint protocol.Endpoint, body string, seeds ...string) {
	for _, seed := range seeds {
		for _, size := range []uint8{0, 1, 6, 39} {
			f.Add([]byte(seed), size, size == 6)
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, size uint8, cut bool) {
		pass := func(size int) passed {
			answer := answerOf(t, endpoint, body, true)
			var seen bytes.Buffer
			for piece := range chunks(stream, size) {
				seen.Write(answer.Pass(piece))
			}
			seen.Write(answer.End(cut))
			usage, ok := answer.Usage()
			checkSeen(t, answer, usage, ok)
			return passed{seen.String(), usage, ok, answer.Unfinished()}
		}
		whole, split := pass(len(stream)+1), pass(int(size)+1)
		if whole != split {
			t.Errorf("in pieces of %d bytes:\n got %+v\nwant %+v", int(size)+1, split, whole)
		}
		if whole.seen != string(stream) {
			t.Errorf("the client sees %q of %q", whole.seen, stream)
		}
		if whole.ok && whole.usage.Validate() != nil {
			t.Errorf("usage %+v", whole.usage)
		}
	})
}

// checkSeen checks that what was seen of an answer is within what can have been used, and
// no less than what the provider says.
func checkSeen(tb testing.TB, answer protocol.Answer, usage price.Usage, ok bool) {
	tb.Helper()
	seen, begun := answer.Seen(protocol.Cut{At: time.Now()})
	switch {
	case !begun:
	case seen.Validate() != nil:
		tb.Errorf("seen %+v", seen)
	case ok && seen.Output+seen.AudioOutput+seen.ImageOutput < usage.Output+usage.AudioOutput+usage.ImageOutput:
		tb.Errorf("seen %+v of %+v", seen, usage)
	}
}

func FuzzStreamResponses(f *testing.F) {
	fuzzStream(f, protocol.Responses{}, `{"model":"maxi","input":"hi"}`,
		"event: response.completed\r\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}\r\n\r\n",
		"data: {\"type\":\"response.failed\",\ndata: \"response\":{\"usage\":null}}\n\n")
}

func FuzzStreamMessages(f *testing.F) {
	fuzzStream(f, protocol.Messages{}, `{"model":"maxi","max_tokens":7,"messages":[]}`,
		"data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}}\n\n"+
			"data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"x\"},\"usage\":{\"output_tokens\":5}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
		"data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"x\"},\"usage\":{\"input_tokens\":3,\"output_tokens\":5,\"inference_geo\":\"us\",\"server_tool_use\":{\"web_search_requests\":1},\"iterations\":[{\"type\":\"compaction\",\"input_tokens\":1,\"output_tokens\":2}]}}\n\n")
}

func FuzzStreamGemini(f *testing.F) {
	fuzzStream(f, protocol.GenerateContent{Streamed: true}, `{"contents":[]}`,
		"data: {\"candidates\":[{\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":1,\"totalTokenCount\":3}}\r\n\r\n",
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}],\"usageMetadata\":{\"promptTokenCount\":1,\"thoughtsTokenCount\":2,\"totalTokenCount\":3}}\n\n",
		"data: {\"promptFeedback\":{\"blockReason\":\"X\"},\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":1}}\n\n")
}

func FuzzStreamVercel(f *testing.F) {
	const finish = `data: {"type":"finish","finishReason":{"unified":"stop"},"usage":{"inputTokens":{"total":3,"cacheRead":1},"outputTokens":{"total":2}},"providerMetadata":{"gateway":{"cost":"0.000001"}}}` + "\n\n"
	fuzzStream(f, vercel("/v3/ai/language-model"), `{"prompt":[]}`,
		`data: {"type":"text-delta","id":"0","delta":"hi"}`+"\n\n"+finish+"data: [DONE]\n\n",
		`data: {"type":"tool-input-start","id":"c","toolName":"f"}`+"\n\n"+`data: {"type":"tool-call","toolCallId":"c","input":"{}"}`+"\n\n"+finish+finish,
		`data: {"type":"finish","usage":{"inputTokens":3,"outputTokens":2,"totalTokens":9,"cachedInputTokens":5}}`+"\r\n\r\n")
}

// FuzzWhole: of a whole answer, wherever it is cut into pieces, the same is read as
// by a parser that has all of it, where all parsers read the same.
func FuzzWhole(f *testing.F) {
	for _, seed := range []string{
		`{"usage":{"prompt_tokens":1,"completion_tokens":2},"service_tier":"priority"}`,
		` { "choices" : [ { "x" : "}\"" } ] , "us\u0061ge" : { "prompt_tokens" : 1 , "completion_tokens" : 2 } } `,
		`{"usage":{"prompt_tokens":1,"completion_tokens":2},"usage":null}`,
		`{"usage":{"prompt_tokens":1,"completion_tokens":2}`, `[{"usage":1}]`, `{"a":"\\","usage":{}}`,
	} {
		f.Add([]byte(seed), uint8(3))
	}
	f.Fuzz(func(t *testing.T, body []byte, size uint8) {
		read := func(size int) (price.Usage, bool) {
			answer := answerOf(t, protocol.ChatCompletions{}, `{"model":"maxi","messages":[]}`, false)
			for piece := range chunks(body, size) {
				if seen := answer.Pass(bytes.Clone(piece)); !bytes.Equal(seen, piece) {
					t.Fatalf("the client sees %q of %q", seen, piece)
				}
			}
			answer.End(false)
			return answer.Usage()
		}
		whole, ok := read(len(body) + 1)
		if split, also := read(int(size) + 1); split != whole || also != ok {
			t.Fatalf("in pieces of %d bytes: %+v, %t; whole: %+v, %t", int(size)+1, split, also, whole, ok)
		}
		if !gjson.ValidBytes(body) || !ok {
			return
		}
		usage := gjson.GetBytes(body, "usage")
		if got, want := whole.TotalInput(), usage.Get("prompt_tokens").Int(); got != want {
			t.Errorf("got %d tokens of input, want %d in %s", got, want, body)
		}
	})
}
