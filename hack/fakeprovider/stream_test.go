package fakeprovider_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

// frames are the data of a stream's events.
func frames(raw []byte, newline string) (data []string) {
	for event := range strings.SplitSeq(string(raw), newline+newline) {
		if text, ok := strings.CutPrefix(event, "data: "); ok {
			data = append(data, text)
		}
	}
	return data
}

// checkStream reads a whole stream and says how many tokens it had.
func checkStream(t *testing.T, data []string, wantUsage bool) (tokens int) {
	t.Helper()
	if len(data) == 0 || data[len(data)-1] != "[DONE]" {
		t.Fatalf("the stream does not end with [DONE]: %q", data)
	}
	data = data[:len(data)-1]
	if wantUsage {
		last := decode(t, []byte(data[len(data)-1]))
		if len(last.Choices) != 0 || last.Usage == nil {
			t.Errorf("the frame before [DONE] is not the usage: %s", data[len(data)-1])
		}
		data = data[:len(data)-1]
	}
	for _, frame := range data {
		if hasNull := strings.Contains(frame, `"usage":null`); hasNull != wantUsage || !hasNull && strings.Contains(frame, "usage") {
			t.Errorf("frame %s; usage wanted: %v", frame, wantUsage)
		}
		for _, choice := range decode(t, []byte(frame)).Choices {
			tokens += len(strings.Fields(choice.Delta.Content))
		}
	}
	return tokens
}

func TestStream(t *testing.T) {
	for name, tc := range map[string]struct {
		prompt  string
		change  map[string]any
		newline string
		usage   bool
		want    int
	}{
		"plain":        {"hi", nil, "\n", false, 16},
		"with usage":   {"hi", map[string]any{"stream_options": map[string]any{"include_usage": true}}, "\n", true, 16},
		"choices":      {"hi", map[string]any{"n": 3, "max_tokens": 2}, "\n", false, 6},
		"CRLF":         {"[[crlf]]", nil, "\r\n", false, 16},
		"in pieces":    {"[[split=3]]", nil, "\n", false, 16},
		"comments":     {"[[comments]]", nil, "\n", false, 16},
		"slow":         {"[[first=5ms delay=1ms]]", nil, "\n", false, 16},
		"all together": {"[[crlf split=1 comments overrun=2]]", map[string]any{"n": 2, "stream_options": map[string]any{"include_usage": true}}, "\r\n", true, 34},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, fakeprovider.Options{})
			body := request(tc.prompt, tc.change)
			body["stream"] = true
			status, raw, err := ask(t, server, body)
			if status != http.StatusOK || err != nil {
				t.Fatalf("%d %s %v", status, raw, err)
			}
			if got := checkStream(t, frames(raw, tc.newline), tc.usage); got != tc.want {
				t.Errorf("%d tokens, want %d", got, tc.want)
			}
			if call := onlyCall(t, server); call.OutputTokens != int64(tc.want) || !call.Complete {
				t.Errorf("billed %+v, want %d output tokens, complete", call, tc.want)
			}
		})
	}
}

// TestPieces: the first read of a client need not be a whole frame.
func TestPieces(t *testing.T) {
	server := start(t, fakeprovider.Options{})
	response, err := post(t.Context(), server, request("[[split=3 delay=50ms]]", map[string]any{"stream": true}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	buffer := make([]byte, 3)
	if _, err := io.ReadFull(response.Body, buffer); err != nil || string(buffer) != "dat" {
		t.Errorf("read %q, %v, want %q", buffer, err, "dat")
	}
}
