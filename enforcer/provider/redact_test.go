package provider

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

const secret = "sk-abcabcabcabcabcabd"

// pieces reads as many bytes at once as each says, and then the rest.
type pieces struct {
	io.Reader
	sizes []int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.sizes) > 0 {
		b, p.sizes = b[:min(len(b), p.sizes[0])], p.sizes[1:]
	}
	return p.Reader.Read(b)
}

// TestWithheldBody: wherever the body is cut into pieces, the key does not come through, and
// all else does.
func TestWithheldBody(t *testing.T) {
	stars := strings.Repeat("*", len(secret))
	for name, tc := range map[string]struct{ body, want string }{
		"no key":              {"data: {}\n\n", "data: {}\n\n"},
		"the key":             {`{"error":"` + secret + `"}`, `{"error":"` + stars + `"}`},
		"twice":               {secret + secret, stars + stars},
		"begun twice":         {"sk-abcabc" + secret, "sk-abcabc" + stars},
		"begun and left":      {"sk-abcabcabcabcabcabc", "sk-abcabcabcabcabcabc"},
		"begun at the end":    {"as sk-abc", "as sk-abc"},
		"after its beginning": {"sk-" + secret + "sk", "sk-" + stars + "sk"},
	} {
		t.Run(name, func(t *testing.T) {
			for size := range len(tc.body) + 1 {
				body := io.Reader(&pieces{strings.NewReader(tc.body), []int{size}})
				if size == len(tc.body) {
					body = iotest.OneByteReader(strings.NewReader(tc.body))
				}
				response := &http.Response{Body: io.NopCloser(body)}
				withhold(secret, response)
				got, err := io.ReadAll(response.Body)
				if err != nil || string(got) != tc.want {
					t.Fatalf("cut after %d bytes: got %q, %v; want %q", size, got, err, tc.want)
				}
				response = &http.Response{Body: io.NopCloser(strings.NewReader(tc.body))}
				withhold(secret, response)
				if got, err := io.ReadAll(iotest.HalfReader(iotest.OneByteReader(response.Body))); err != nil || string(got) != tc.want {
					t.Fatalf("read byte by byte: got %q, %v; want %q", got, err, tc.want)
				}
			}
		})
	}
}

// TestWithheldFieldsAndCuts: fields of the header go without the key, an error of the body
// comes with all that was read, and what is too short to be a secret is no key.
func TestWithheldFieldsAndCuts(t *testing.T) {
	response := &http.Response{
		Header: http.Header{"X-Echo": {"a", "Bearer " + secret}, "X-Request-Id": {"1"}},
		Body:   io.NopCloser(io.MultiReader(strings.NewReader("as sk-"), iotest.ErrReader(io.ErrUnexpectedEOF))),
	}
	withhold(secret, response)
	if _, there := response.Header["X-Echo"]; there || response.Header.Get("X-Request-Id") != "1" {
		t.Errorf("the header is %v", response.Header)
	}
	if got, err := io.ReadAll(response.Body); string(got) != "as sk-" || err != io.ErrUnexpectedEOF { //nolint:errorlint // as it was
		t.Errorf("got %q, %v", got, err)
	}
	short := &http.Response{Header: http.Header{"X-Model": {"gpt"}}, Body: io.NopCloser(strings.NewReader("gpt"))}
	withhold("gpt", short)
	if got, _ := io.ReadAll(short.Body); string(got) != "gpt" || short.Header.Get("X-Model") != "gpt" {
		t.Errorf("a word was withheld: %v, %q", short.Header, got)
	}
}

// BenchmarkWithheldBody measures the reading of a stream that does not have the key.
func BenchmarkWithheldBody(b *testing.B) {
	const key = "sk-proj-1aB2cD3eF4gH5iJ6kL7mN8oP9qR0sT"
	const frame = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gpt-4o","service_tier":"default",` +
		`"system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]}` + "\n\n"
	stream, buffer := strings.Repeat(frame, 100), make([]byte, 16<<10)
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		response := &http.Response{Body: io.NopCloser(strings.NewReader(stream))}
		withhold(key, response)
		for {
			if _, err := response.Body.Read(buffer); err != nil {
				break
			}
		}
	}
}
