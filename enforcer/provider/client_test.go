package provider_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/enforcer/provider"
	"github.com/bursar-dev/bursar/hack/testkit"
)

func outgoing(endpoint string) provider.Outgoing {
	return provider.Outgoing{
		Protocol: protocol.OpenAI{},
		Provider: limiterv1.Provider{Name: "fake", Endpoint: endpoint, CredentialFile: "openai"},
		Path:     "/chat/completions",
		Body:     []byte(`{"model":"mini"}`),
		Header:   protocol.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"call-1"}},
		Written:  func() {},
	}
}

// credentials is a directory with the provider's key.
func credentials(t *testing.T, key string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "openai"), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestSend: the provider gets the header that is to be sent, with its key, and nothing of
// Go's own.
func TestSend(t *testing.T) {
	var got *http.Request
	var body []byte
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer upstream.Close()
	client := provider.NewClient(credentials(t, " the-provider's-key\n"))
	defer client.Close()
	out := outgoing(upstream.URL + "/v1/")
	response, err := client.Send(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	want := http.Header{
		"Authorization":  {"Bearer the-provider's-key"},
		"Content-Type":   {"application/json"},
		"Content-Length": {"16"},
		"X-Request-Id":   {"call-1"},
	}
	if !reflect.DeepEqual(got.Header, want) || len(out.Header) != 2 {
		t.Errorf("header:\n got %v\nwant %v; %v was to be sent", got.Header, want, out.Header)
	}
	if got.Method != http.MethodPost || got.URL.Path != "/v1/chat/completions" || string(body) != `{"model":"mini"}` {
		t.Errorf("got %s %s %q", got.Method, got.URL.Path, body)
	}
}

func TestSendTakesTheKeyThatThereIsNow(t *testing.T) {
	var authorization string
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		authorization = r.Header.Get("Authorization")
	}))
	defer upstream.Close()
	// As Kubernetes mounts a Secret: openai -> ..data/openai, ..data -> ..2026_1.
	dir := t.TempDir()
	mount := func(version, key string) {
		t.Helper()
		testkit.Must(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		testkit.Must(t, os.WriteFile(filepath.Join(dir, version, "openai"), []byte(key), 0o600))
		testkit.Must(t, os.Symlink(version, filepath.Join(dir, "..tmp")))
		testkit.Must(t, os.Rename(filepath.Join(dir, "..tmp"), filepath.Join(dir, "..data")))
	}
	testkit.Must(t, os.Symlink(filepath.Join("..data", "openai"), filepath.Join(dir, "openai")))
	client := provider.NewClient(dir)
	defer client.Close()
	for i, key := range []string{"old", "new"} {
		mount(fmt.Sprintf("..2026_%d", i), key)
		response, err := client.Send(t.Context(), outgoing(upstream.URL))
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if authorization != "Bearer "+key {
			t.Errorf("sent %q, want key %s", authorization, key)
		}
	}
}

func TestSendWithoutKey(t *testing.T) {
	asked := false
	upstream := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = true
	}))
	defer upstream.Close()
	dir := credentials(t, "top-secret")
	testkit.Must(t, os.WriteFile(filepath.Join(dir, "empty"), []byte(" \n"), 0o600))
	testkit.Must(t, os.WriteFile(filepath.Join(dir, "lines"), []byte("top\nsecret"), 0o600))
	client := provider.NewClient(filepath.Join(dir, "."))
	defer client.Close()
	for _, file := range []string{"absent", "empty", "lines", "../" + filepath.Base(dir) + "/openai", "..", ".", "/etc/hostname", "a/b"} {
		out := outgoing(upstream.URL)
		out.Provider.CredentialFile = file
		response, err := client.Send(t.Context(), out)
		if err == nil {
			_ = response.Body.Close()
		}
		if !errors.Is(err, provider.ErrNotSent) || asked {
			t.Errorf("with the key in %q: got %v, asked %t; want it not sent", file, err, asked)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("the error has the key: %v", err)
		}
	}
	out := outgoing(upstream.URL)
	out.Provider.CredentialFile = ""
	response, err := client.Send(t.Context(), out)
	if err != nil || !asked {
		t.Fatalf("to a provider that wants no key: %v, asked %t", err, asked)
	}
	_ = response.Body.Close()
}

// rawServer serves each connection with a function, below HTTP.
func rawServer(t *testing.T, serve func(net.Conn)) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return "http://" + listener.Addr().String()
}

func TestSendKnowsWhatWasNotSent(t *testing.T) {
	readRequest := func(conn net.Conn) {
		request, err := http.ReadRequest(bufio.NewReader(conn))
		if err == nil {
			_, _ = io.Copy(io.Discard, request.Body)
		}
	}
	for name, tc := range map[string]struct {
		endpoint string
		body     []byte
		timeout  bool
		notSent  bool
	}{
		"nobody listens": {endpoint: closedPort(t), notSent: true},
		"no such host":   {endpoint: "http://no-such-host.invalid", notSent: true},
		"not a URL":      {endpoint: "http://[", notSent: true},
		"closed when it had all": {
			endpoint: rawServer(t, func(conn net.Conn) { readRequest(conn); _ = conn.Close() }),
		},
		"closed in the header of the answer": {
			endpoint: rawServer(t, func(conn net.Conn) {
				readRequest(conn)
				_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nContent-"))
				_ = conn.Close()
			}),
		},
		"no answer in time": {
			endpoint: rawServer(t, func(conn net.Conn) { readRequest(conn); _, _ = io.Copy(io.Discard, conn) }),
			timeout:  true,
		},
		"not an answer": {
			endpoint: rawServer(t, func(conn net.Conn) {
				readRequest(conn)
				_, _ = conn.Write([]byte("hello\r\n\r\n"))
				_ = conn.Close()
			}),
		},
		"closed before it had all": {
			endpoint: rawServer(t, func(conn net.Conn) {
				_, _ = conn.Read(make([]byte, 1))
				_ = conn.(*net.TCPConn).SetLinger(0)
				_ = conn.Close()
			}),
			body: make([]byte, 64<<20), notSent: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			client := provider.NewClient(credentials(t, "key"))
			defer client.Close()
			out := outgoing(tc.endpoint)
			if tc.body != nil {
				out.Body = tc.body
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tc.timeout {
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
			}
			response, err := client.Send(ctx, out)
			if err == nil {
				_ = response.Body.Close()
			}
			if err == nil || errors.Is(err, provider.ErrNotSent) != tc.notSent {
				t.Errorf("got %v, want an error, not sent: %t", err, tc.notSent)
			}
		})
	}
}

// closedPort is an endpoint that nobody listens at.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	testkit.Must(t, listener.Close())
	return "http://" + listener.Addr().String()
}

// TestRotatedKey: the key that is used is the one that its file has, however the file was
// changed.
func TestRotatedKey(t *testing.T) {
	long := time.Now().Add(-time.Hour)
	write := func(path, key string) {
		testkit.Must(t, os.WriteFile(path, []byte(key), 0o600))
	}
	for name, rotate := range map[string]func(path, key string){
		"written again": write,
		"swapped": func(path, key string) {
			write(path+".new", key)
			testkit.Must(t, os.Chtimes(path+".new", long, long))
			testkit.Must(t, os.Rename(path+".new", path))
		},
		"a link, as a kubelet does it": func(path, key string) {
			behind := path + "." + key
			write(behind, key)
			testkit.Must(t, os.Chtimes(behind, long, long))
			testkit.Must(t, os.Symlink(behind, path+".link"))
			testkit.Must(t, os.Rename(path+".link", path))
		},
	} {
		for age, modified := range map[string]time.Time{"old": long, "new": time.Now()} {
			t.Run(name+", "+age, func(t *testing.T) {
				dir := t.TempDir()
				path, read := filepath.Join(dir, "openai"), provider.KeyReader(dir)
				write(path, "key-0")
				testkit.Must(t, os.Chtimes(path, modified, modified))
				for i := range 9 {
					want := fmt.Sprint("key-", i) // all are as long
					if i > 0 {
						rotate(path, want)
					}
					for range 2 {
						if got, err := read("openai"); err != nil || got != want {
							t.Fatalf("got %q, error %v; want %q", got, err, want)
						}
					}
				}
				testkit.Must(t, os.Remove(path))
				if _, err := read("openai"); err == nil {
					t.Error("a key whose file is gone is read")
				}
			})
		}
	}
}

// BenchmarkKey measures what a call's key takes whose file has not changed.
func BenchmarkKey(b *testing.B) {
	dir := b.TempDir()
	path, read := filepath.Join(dir, "openai"), provider.KeyReader(dir)
	long := time.Now().Add(-time.Hour)
	if err := errors.Join(os.WriteFile(path, []byte("key\n"), 0o600), os.Chtimes(path, long, long)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := read("openai"); err != nil {
			b.Fatal(err)
		}
	}
}
