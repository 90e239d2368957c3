package protocol_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// told is all that a stream tells: what the client sees of it, what the call used, what it can have
// used, how far it had come after each piece, and the number of what the client is told next.
type told struct {
	passed
	most     price.Usage
	begun    bool
	progress string
	number   int64
}

// tell passes a stream in pieces of a size.
func tell(answer protocol.Answer, stream []byte, size int, cut bool) (t told) {
	var seen, progress bytes.Buffer
	for piece := range chunks(stream, size) {
		seen.Write(answer.Pass(piece))
		progress.WriteByte('0' + byte(answer.Progress()))
	}
	seen.Write(answer.End(cut))
	t.seen, t.unfinished, t.progress = seen.String(), answer.Unfinished(), progress.String()
	t.usage, t.ok = answer.Usage()
	t.most, t.begun = answer.Seen(protocol.Cut{})
	problem, _ := answer.Problem([]byte(`{"error":{"code":"c"}}`))
	t.number = gjson.GetBytes(problem[bytes.IndexByte(problem, '{'):], "sequence_number").Int()
	return t
}

// streamers are requests for streams, and frames of them: such as repeat, with a text in the place
// of TEXT, and such as say more.
var streamers = []struct {
	name     string
	endpoint protocol.Endpoint
	body     string
	repeats  []string
	others   []string
}{
	{
		"Chat Completions", protocol.ChatCompletions{}, `{"model":"maxi","messages":[],"stream":true,"n":2}`,
		[]string{
			`{"model":"maxi","choices":[{"index":0,"delta":{"content":"TEXT"},"finish_reason":null}],"usage":null,"obfuscation":"PAD"}`,
			`{"choices":[{"index":1,"delta":{"reasoning_content":"TEXT","content":""}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"TEXT"}}]}}]}`,
			`{"choices":[{"index":0,"text":"TEXT"}],"usage" : null}`,
			`{"choices":[{"index":0,"plan":"TEXT"}]}`,
			`{"choices":[{"index":0,"delta":{"content":"TEXT"}}],"obfuscation":"PA"D","usage":null}`,
		},
		[]string{
			`{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":null}`,
			`{"choices":[{"index":0,"delta":{"content":"TEXT"},"finish_reason":"stop"}],"usage":null}`,
			`{"choices":[{"index":0,"delta":{"content":"TEXT"},"logprobs":{"content":[{"token":"TEXT"}]}}]}`,
			`{"choices":[{"index":0,"delta":{"content":"TEXT"}},{"index":1,"delta":{"content":"TEXT"}}]}`,
			`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"f","arguments":"TEXT"}}]}}]}`,
			`{"choices":[{"index":0,"message":{"content":"TEXT"}}]}`,
			`{"choices":[{"index":0,"delta":{"content":"TEXT"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`,
			`{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":9}}`,
			`[DONE]`,
		},
	}, {
		"Chat Completions with messages", protocol.ChatCompletions{}, `{"model":"maxi","messages":[],"stream":true}`,
		[]string{`{"choices":[{"index":0,"delta":{"content":"TEXT"}}]}`, `{"choices":[{"index":0,"delta":{"reasoning":"TEXT"}}]}`},
		[]string{`{"choices":[{"index":0,"message":{"content":"TEXTTEXTTEXTTEXTTEXTTEXT"}}]}`},
	}, {
		"Responses", protocol.Responses{}, `{"model":"maxi","input":"hi","stream":true}`,
		[]string{
			`{"type":"response.output_text.delta","sequence_number":NUMBER,"item_id":"m","delta":"TEXT","obfuscation":"PAD"}`,
			`{"type":"response.reasoning.delta","delta":"TEXT","sequence_number":NUMBER}`,
			`{"type":"response.function_call_arguments.delta","delta":"TEXT"}`,
			`{"""""sequence_number"3""TEXT"`,
		},
		[]string{
			`{"type":"response.created","sequence_number":0,"response":{"model":"maxi","reasoning":{"effort":null}}}`,
			`{"type":"response.output_item.added","item":{"type":"message","content":[{"text":"TEXT"}]}}`,
			`{"type":"response.output_text.done","text":"TEXTTEXTTEXTTEXTTEXTTEXT"}`,
			`{"type":"response.output_item.done","item":{"type":"message","content":[{"text":"TEXT"}]}}`,
			`{"type":"response.completed","response":{"status":"completed","usage":{"input_tokens":3,"output_tokens":9}}}`,
		},
	}, {
		"Messages", protocol.Messages{}, `{"model":"maxi","max_tokens":9000,"messages":[],"stream":true}`,
		[]string{
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"TEXT"}}`,
			`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"TEXT"}}`,
		},
		[]string{
			messageStart, `{"type":"ping"}`,
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"TEXT"}}`,
			`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","name":"f","input":{}}}`,
			`{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"cited_text":"TEXT"}}}`,
			`{"type":"content_block_stop","index":0}`,
			`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}`,
			`{"type":"message_stop"}`,
		},
	}, {
		"Gemini", protocol.GenerateContent{Streamed: true}, `{"contents":[]}`,
		[]string{`{"candidates":[{"content":{"parts":[{"text":"TEXT"}]}}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5}}`},
		[]string{`{"candidates":[{"content":{"parts":[{"text":"TEXT"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":9,"totalTokenCount":12}}`},
	}, {
		"Vercel AI Gateway", vercel("/v3/ai/language-model"), `{"prompt":[]}`,
		[]string{`{"type":"text-delta","id":"0","delta":"TEXT"}`, `{"type":"tool-input-delta","id":"c","delta":"TEXT"}`},
		[]string{
			`{"type":"text-start","id":"0"}`, `{"type":"text-end","id":"0"}`, `{"type":"tool-input-start","id":"c","toolName":"f"}`,
			`{"type":"tool-call","toolCallId":"c","toolName":"f","input":"TEXT"}`, `{"type":"raw","delta":"TEXT"}`,
			`{"type":"finish","usage":{"inputTokens":{"total":3},"outputTokens":{"total":9}}}`,
		},
	},
}

// texts are what models say, as JSON has it; the last ones are no strings.
var texts = []string{
	"", "a", " word", "\u4f60\u597d", `\n`, `say \"hi\"`, `caf\u00e9`, `\u003cb`, "usage", "finish_reason", "stop", "message_stop", "response.completed", "web_search_call", "TEXT",
	`"`, `\`, "a\ndata: b", "a\rb", `x","y":"z`,
}

// othersFrom is from where on a choice is one of the frames that say more, which are few.
const othersFrom = 192

// streamOf is a stream that the choices make of a protocol's frames: of every two bytes, one
// chooses a frame, and one the text in it.
func streamOf(repeats, others []string, choices []byte) []byte {
	var stream strings.Builder
	for len(choices) >= 2 {
		frame, text := choices[0], texts[int(choices[1])%len(texts)]
		choices = choices[2:]
		of := repeats
		if frame >= othersFrom {
			of = others
		}
		number := string('1' + frame%9)
		data := strings.NewReplacer("TEXT", text, "PAD", text, "NUMBER", number+number).Replace(of[int(frame)%len(of)])
		if frame%32 == 31 {
			stream.WriteString("event: x\n")
		}
		stream.WriteString("data: " + data + "\n\n")
	}
	return []byte(stream.String())
}

// checkTemplates checks that a stream tells the same whether or not frames are parsed that say what
// one before them said.
func checkTemplates(t *testing.T, of uint8, choices []byte, cut bool) {
	t.Helper()
	s := streamers[int(of)%len(streamers)]
	stream := streamOf(s.repeats, s.others, choices)
	model := maxi
	model.MaxOutputTokens, model.ContextWindow = 10_000, 100_000
	for _, size := range []int{len(stream) + 1, 500} {
		got, want := answerBy(t, model, s.endpoint, s.body, true), answerBy(t, model, s.endpoint, s.body, true)
		protocol.ReadEachFrame(want)
		if got, want := tell(got, stream, size, cut), tell(want, stream, size, cut); got != want {
			t.Fatalf("%s, in pieces of %d bytes, of %s:\n got %+v\nwant %+v", s.name, size, stream, got, want)
		}
	}
}

func TestTemplates(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	choices := make([]byte, 60)
	for range 1000 {
		for i := range choices {
			choices[i] = byte(random.Uint32())
		}
		checkTemplates(t, uint8(random.Uint32()), choices[:random.IntN(len(choices))], random.IntN(2) == 0)
	}
}

// TestTemplatesAmongOthers is the same for all streams in which a frame that repeats comes before and
// after any other, which comes three times, and in which any frame is the last: random streams seldom
// have a usage that is followed by text only.
func TestTemplatesAmongOthers(t *testing.T) {
	for of, s := range streamers {
		frames := len(s.repeats) + len(s.others)
		choice := func(frame int) byte {
			if frame < len(s.repeats) {
				return byte(frame)
			}
			return othersFrom + byte((frame-len(s.repeats)+len(s.others)-othersFrom%len(s.others))%len(s.others))
		}
		first := choice(len(s.repeats))
		for repeated := range s.repeats {
			for other := range frames {
				for last := range frames {
					for text := range byte(3) {
						again, among := choice(repeated), choice(other)
						checkTemplates(t, uint8(of), []byte{first, 1, again, 1, again, 2, among, 1, among, 2, among, 1, again, text, choice(last), 1}, false)
					}
				}
			}
		}
	}
}

// FuzzTemplates is the same of whatever streams the fuzzer makes.
func FuzzTemplates(f *testing.F) {
	for i := range streamers {
		f.Add(uint8(i), []byte("\x00\x01\x00\x02\x00\x03\x01\x01\x00\x04\x00\x05\xc0\x01\x00\x06\x01\x02\x01\x01"), false)
		f.Add(uint8(i), bytes.Repeat([]byte("\x00\x02\x01\x01\x02\x02\x03\x01\xc1\x02\xc2\x01\xc3\x02\xc6\x01\x00\x08"), 3), true)
	}
	f.Fuzz(checkTemplates)
}
