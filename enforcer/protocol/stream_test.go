package protocol_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/api/price"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

func newStream(tb testing.TB, usageWanted bool) protocol.Answer {
	tb.Helper()
	body := fmt.Sprintf(`{"model":"mini","messages":[],"stream":true,"stream_options":{"include_usage":%t}}`, usageWanted)
	request, err := protocol.ChatCompletions{}.Read(protocol.Incoming{Body: []byte(body)})
	if err != nil {
		tb.Fatal(err)
	}
	call, err := request.For(mini, protocol.OutputLimits{})
	if err != nil {
		tb.Fatal(err)
	}
	return call.Stream()
}

// passed is what comes of a stream.
type passed struct {
	seen       string
	usage      price.Usage
	ok         bool
	unfinished bool
}

// pass passes a stream in the given pieces.
func pass(tb testing.TB, usageWanted, cut bool, pieces func(func([]byte) bool)) passed {
	tb.Helper()
	stream := newStream(tb, usageWanted)
	var seen bytes.Buffer
	for piece := range pieces {
		seen.Write(stream.Pass(piece))
	}
	seen.Write(stream.End(cut))
	usage, ok := stream.Usage()
	checkSeen(tb, stream, usage, ok)
	return passed{seen.String(), usage, ok, stream.Unfinished()}
}

const (
	first   = `data: {"id":"1","choices":[{"index":0,"delta":{"content":"Hel"}}],"usage":null}` + "\n\n"
	firstNo = `data: {"id":"1","choices":[{"index":0,"delta":{"content":"Hel"}}]}` + "\n\n"
	second  = `data: {"id":"1","usage" : null , "choices":[{"index":0,"delta":{"content":"lo \"usage\":null"}}]}` + "\n\n"
	// The null went, and with it the comma before what follows.
	secondNo = `data: {"id":"1" , "choices":[{"index":0,"delta":{"content":"lo \"usage\":null"}}]}` + "\n\n"
	usage    = `data: {"id":"1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":20,"total_tokens":30,"prompt_tokens_details":{"cached_tokens":4}}}` + "\n\n"
	done     = "data: [DONE]\n\n"
)

var used = price.Usage{Input: 6, CachedInput: 4, Output: 20}

func TestStream(t *testing.T) {
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	cr := func(s string) string { return strings.ReplaceAll(s, "\n", "\r") }
	for name, tc := range map[string]struct {
		stream      string
		usageWanted bool
		cut         bool
		want        passed
	}{
		"usage was asked for by us": {
			stream: first + second + usage + done,
			want:   passed{firstNo + secondNo + done, used, true, false},
		},
		"usage was asked for by the client": {
			stream: first + second + usage + done, usageWanted: true,
			want: passed{first + second + usage + done, used, true, false},
		},
		"lines end in CRLF": {
			stream: crlf(first + second + usage + done),
			want:   passed{crlf(firstNo + secondNo + done), used, true, false},
		},
		"lines end in CR": {
			stream: cr(first + second + usage + done),
			want:   passed{cr(firstNo + secondNo + done), used, true, false},
		},
		"comments, other fields and blank lines stay": {
			stream: "\n: hello\n\nevent: chunk\nid: 7\n" + first + "\n\nretry: 5\n\n" + usage + done,
			want:   passed{"\n: hello\n\nevent: chunk\nid: 7\n" + firstNo + "\n\nretry: 5\n\n" + done, used, true, false},
		},
		"a byte order mark": {
			stream: "\uFEFF" + first + usage + done,
			want:   passed{"\uFEFF" + firstNo + done, used, true, false},
		},
		"no space after the colon": {
			stream: strings.ReplaceAll(first+usage+done, "data: ", "data:"),
			want:   passed{strings.ReplaceAll(firstNo+done, "data: ", "data:"), used, true, false},
		},
		"usage in the only member": {
			stream: "data: {\"usage\":null}\n\n" + usage + done,
			want:   passed{"data: {}\n\n" + done, used, true, false},
		},
		"usage on several lines": {
			stream: first + "data: {\"choices\":[],\ndata: \"usage\":{\"prompt_tokens\":10,\ndata: \"completion_tokens\":20}}\n\n" + done,
			want:   passed{firstNo + done, price.Usage{Input: 10, Output: 20}, true, false},
		},
		"usage beside the last choice stays": {
			stream: first + `data: {"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":20}}` + "\n\n" + done,
			want: passed{
				firstNo + `data: {"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":20}}` + "\n\n" + done,
				price.Usage{Input: 10, Output: 20}, true, false,
			},
		},
		"a running total: the last counts": {
			stream: strings.ReplaceAll(first, "null", `{"prompt_tokens":10,"completion_tokens":1}`) + usage + done, usageWanted: true,
			want: passed{strings.ReplaceAll(first, "null", `{"prompt_tokens":10,"completion_tokens":1}`) + usage + done, used, true, false},
		},
		"the last frame lacks its blank line": {
			stream: first + usage + "data: [DONE]",
			want:   passed{firstNo + "data: [DONE]", used, true, false},
		},
		"usage lacks its blank line": {
			stream: first + strings.TrimSpace(usage),
			want:   passed{firstNo, used, true, false},
		},
		"no [DONE], but the usage": {
			stream: first + usage,
			want:   passed{firstNo, used, true, false},
		},
		"no usage": {
			stream: first + done,
			want:   passed{firstNo + done, price.Usage{}, false, false},
		},
		"a usage that cannot be": {
			stream: first + strings.Replace(usage, "20", "-20", 1) + done,
			want:   passed{firstNo + done, price.Usage{}, false, false},
		},
		"ends too early": {
			stream: first + second,
			want:   passed{firstNo + secondNo, price.Usage{}, false, true},
		},
		"cut within a frame that is held back": {
			stream: first + second[:30], cut: true,
			want: passed{firstNo, price.Usage{}, false, true},
		},
		"cut within a frame that has passed": {
			stream: first + second[:30], cut: true, usageWanted: true,
			want: passed{first + second[:30], price.Usage{}, false, true},
		},
		"cut after the usage": {
			stream: first + usage, cut: true,
			want: passed{firstNo, used, true, true},
		},
		"cut after a running total": {
			stream: first + `data: {"choices":[{}],"usage":{"prompt_tokens":10,"completion_tokens":20}}` + "\n\n", cut: true, usageWanted: true,
			want: passed{first + `data: {"choices":[{}],"usage":{"prompt_tokens":10,"completion_tokens":20}}` + "\n\n", price.Usage{}, false, true},
		},
		"the provider's own error": {
			stream: first + "data: {\"error\":{\"message\":\"overloaded\"}}\n\n",
			want:   passed{firstNo + "data: {\"error\":{\"message\":\"overloaded\"}}\n\n", price.Usage{}, false, true},
		},
		"not JSON": {
			stream: "data: {\"usage\":nul\n\ndata: \"usage\"\n\ndata\n\ndata:\n\n" + done,
			want:   passed{"data: {\"usage\":nul\n\ndata: \"usage\"\n\ndata\n\ndata:\n\n" + done, price.Usage{}, false, false},
		},
		"nothing": {want: passed{"", price.Usage{}, false, true}},
	} {
		t.Run(name, func(t *testing.T) {
			for size := 1; size <= len(tc.stream)+1; size++ {
				got := pass(t, tc.usageWanted, tc.cut, chunks([]byte(tc.stream), size))
				if got != tc.want {
					t.Fatalf("in pieces of %d bytes:\n got %+v\nwant %+v", size, got, tc.want)
				}
			}
		})
	}
}

// TestStreamPassesAtOnce: what the client may see is not held back for more.
func TestStreamPassesAtOnce(t *testing.T) {
	for _, usageWanted := range []bool{true, false} {
		stream := newStream(t, usageWanted)
		if got := string(stream.Pass([]byte(firstNo + done))); got != firstNo+done {
			t.Errorf("usage wanted %t: of two frames %q passes", usageWanted, got)
		}
		want := map[bool]string{true: "data: {", false: ""}[usageWanted]
		if got := string(stream.Pass([]byte("data: {"))); got != want {
			t.Errorf("usage wanted %t: of the start of a frame %q passes, want %q", usageWanted, got, want)
		}
	}
}

func TestStreamTellsOfAProblem(t *testing.T) {
	const body, frame = `{"error":{}}`, "data: {\"error\":{}}\n\n"
	for name, tc := range map[string]struct {
		stream      string
		usageWanted bool
		want        string
	}{
		"after a frame":                      {first, true, first + frame},
		"after a frame that was changed":     {first, false, firstNo + frame},
		"within a frame":                     {first + "data: {", true, first + "data: {\n\n" + frame},
		"within a frame that is held back":   {first + "data: {", false, firstNo + frame},
		"within a frame that is too large":   {first + "data: " + strings.Repeat("x", 17<<20), false, firstNo + "data: " + strings.Repeat("x", 17<<20) + "\n\n" + frame},
		"before anything":                    {"", false, frame},
		"before anything, with usage wanted": {"", true, frame},
	} {
		t.Run(name, func(t *testing.T) {
			stream := newStream(t, tc.usageWanted)
			var seen bytes.Buffer
			seen.Write(stream.Pass([]byte(tc.stream)))
			seen.Write(stream.End(true))
			problem, cutAsWell := stream.Problem([]byte(body))
			if cutAsWell {
				t.Error("the connection is to be cut as well")
			}
			seen.Write(problem)
			if seen.String() != tc.want {
				t.Errorf("got %.200q, want %.200q", seen.String(), tc.want)
			}
		})
	}
}

// TestStreamPassesLargeFrames: a frame that is too large to be read passes as it
// is, and what follows is read again.
func TestStreamPassesLargeFrames(t *testing.T) {
	large := "data: {\"usage\":null,\"x\":\"" + strings.Repeat("x", 16<<20) + "\"}\n\n"
	for _, size := range []int{1 << 10, 1<<20 + 1, 1 << 30} {
		got := pass(t, false, false, chunks([]byte(large+first+usage+done), size))
		if want := (passed{large + firstNo + done, used, true, false}); got != want {
			t.Errorf("in pieces of %d bytes: %d bytes, usage %+v, %t", size, len(got.seen), got.usage, got.ok)
		}
	}
}

// FuzzStream: wherever a stream is cut into pieces, the client sees the same, the
// usage is the same, and a client that asked for it sees every byte.
func FuzzStream(f *testing.F) {
	for _, stream := range []string{
		first + second + usage + done,
		strings.ReplaceAll(first+usage+done, "\n", "\r\n"),
		strings.ReplaceAll(first+usage+done, "\n", "\r"),
		"\r\n\r\n\n\r" + usage + "\r" + first,
		"\uFEFF: c\ndata:\ndata: {\"usage\":null\ndata: }\n\n",
		`data: {"us\u0061ge":null,"x":"usage"}` + "\n\n",
		`data: {"x":"usage","us\u0061ge" :null}` + "\n\n",
		`data: [{"usage":null}]` + "\n\n",
	} {
		for _, size := range []uint8{1, 2, 3, 7, 40} {
			f.Add([]byte(stream), size, size%2 == 0, size == 7)
		}
	}
	f.Fuzz(func(t *testing.T, stream []byte, size uint8, usageWanted, cut bool) {
		whole := pass(t, usageWanted, cut, chunks(stream, len(stream)+1))
		split := pass(t, usageWanted, cut, chunks(stream, int(size)+1))
		if whole != split {
			t.Errorf("in pieces of %d bytes:\n got %+v\nwant %+v", int(size)+1, split, whole)
		}
		if usageWanted && whole.seen != string(stream) {
			t.Errorf("the client sees %q of %q", whole.seen, stream)
		}
		if len(whole.seen) > len(stream) {
			t.Errorf("the client sees %d bytes of %d", len(whole.seen), len(stream))
		}
	})
}

// perFrame are frames that are nearly all of a stream.
var perFrame = map[string]struct {
	frame       string
	usageWanted bool
}{
	"usage wanted":     {first, true},
	"usage taken out":  {first, false},
	"no word of usage": {firstNo, false},
	"sixteen at once":  {strings.Repeat(firstNo, 16), true},
}

// BenchmarkStream measures one frame of a stream on its way through.
func BenchmarkStream(b *testing.B) {
	for name, bc := range perFrame {
		b.Run(name, func(b *testing.B) {
			stream, frame := newStream(b, bc.usageWanted), []byte(bc.frame)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				stream.Pass(frame)
			}
			b.ReportMetric(float64(protocol.Copied(stream))/float64(b.N), "copied-B/op")
		})
	}
}

// TestStreamHardlyAllocates: the memory that a stream takes does not grow with it.
func TestStreamHardlyAllocates(t *testing.T) {
	const most = 1 // the four letters of a null
	for name, tc := range perFrame {
		stream, frame := newStream(t, tc.usageWanted), []byte(tc.frame)
		if got := testing.AllocsPerRun(1000, func() { stream.Pass(frame) }); got > most {
			t.Errorf("%s: %v allocations a frame, want %d at the most", name, got, most)
		}
	}
}

// framesOf are frames that are nearly all of a stream of each other protocol.
var framesOf = map[string]struct {
	endpoint    protocol.Endpoint
	body, frame string
}{
	"Responses": {
		protocol.Responses{}, `{"model":"maxi","input":"hi"}`,
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":0,\"delta\":\"Hel\",\"sequence_number\":4}\n\n",
	},
	"Messages": {
		protocol.Messages{}, `{"model":"maxi","max_tokens":7,"messages":[]}`,
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hel\"}}\n\n",
	},
	"Gemini": {
		protocol.GenerateContent{Streamed: true}, `{"contents":[]}`,
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hel\"}],\"role\":\"model\"}}],\"usageMetadata\":{\"promptTokenCount\":4,\"totalTokenCount\":4}}\r\n\r\n",
	},
}

// BenchmarkStreams measures one frame of a stream of the other protocols.
func BenchmarkStreams(b *testing.B) {
	for name, bc := range framesOf {
		b.Run(name, func(b *testing.B) {
			stream, frame := answerOf(b, bc.endpoint, bc.body, true), []byte(bc.frame)
			b.SetBytes(int64(len(frame)))
			b.ReportAllocs()
			for b.Loop() {
				stream.Pass(frame)
			}
			b.ReportMetric(float64(protocol.Copied(stream))/float64(b.N), "copied-B/op")
		})
	}
}

// BenchmarkWhole measures a whole answer on its way through, as it comes and until its usage is known.
func BenchmarkWhole(b *testing.B) {
	const line = `An answer of some lines, \"quoted\" now and then.\n`
	for name, lines := range map[string]int{"a line": 1, "hundred lines": 100} {
		b.Run(name, func(b *testing.B) {
			whole := []byte(`{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"maxi","choices":[{"index":0,"message":` +
				`{"role":"assistant","content":"` + strings.Repeat(line, lines) + `"},"finish_reason":"stop"}],` +
				`"usage":{"prompt_tokens":20,"completion_tokens":15,"total_tokens":35}}`)
			b.SetBytes(int64(len(whole)))
			b.ReportAllocs()
			for b.Loop() {
				answer := answerOf(b, protocol.ChatCompletions{}, `{"model":"maxi","messages":[]}`, false)
				for piece := range slices.Chunk(whole, 4<<10) {
					answer.Pass(piece)
				}
				answer.End(false)
				if _, ok := answer.Usage(); !ok {
					b.Fatal("no usage")
				}
			}
		})
	}
}
