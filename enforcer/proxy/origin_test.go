package proxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/enforcer/proxy"
)

// TestOrigins: pages of the origins that are listed may call, and no others.
func TestOrigins(t *testing.T) {
	upstream := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Access-Control-Allow-Credentials", "true")
		_, _ = w.Write([]byte(`{"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
	}
	listed := newDoor(t, upstream, func(o *doorOptions) { o.door.AllowedOrigins = []string{"https://app.example.com"} })
	unlisted := newDoor(t, upstream)
	preflight := func(d *door, origin string) reply {
		request := d.request(http.MethodOptions, "/v1/chat/completions", "")
		request.Header.Del("Authorization")
		request.Header.Set("Origin", origin)
		request.Header.Set("Access-Control-Request-Method", "POST")
		request.Header.Set("Access-Control-Request-Headers", "authorization,content-type,x-stainless-os")
		return d.do(request)
	}
	got := preflight(listed, "https://app.example.com")
	if got.status != 204 || got.header.Get("Access-Control-Allow-Origin") != "https://app.example.com" ||
		got.header.Get("Access-Control-Allow-Headers") != "authorization,content-type,x-stainless-os" ||
		got.header.Get("Access-Control-Allow-Methods") != "GET, POST" || !strings.Contains(strings.Join(got.header.Values("Vary"), ","), "Origin") {
		t.Errorf("a preflight: %d %v", got.status, got.header)
	}
	for name, refused := range map[string]reply{
		"another origin": preflight(listed, "https://app.example.com.evil.example"), "none listed": preflight(unlisted, "https://app.example.com"),
		"the null origin": preflight(listed, "null"),
	} {
		if refused.status != 405 || refused.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %d %v", name, refused.status, refused.header)
		}
	}
	call := func(d *door, key, origin string) reply {
		request := d.request(http.MethodPost, "/v1/chat/completions", chat)
		request.Header.Set("Authorization", "Bearer "+key)
		request.Header.Set("Origin", origin)
		return d.do(request)
	}
	for name, allowed := range map[string]reply{
		"a call": call(listed, "key", "https://app.example.com"), "a refusal": call(listed, "guess", "https://app.example.com"),
	} {
		if got := allowed.header.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != "https://app.example.com" {
			t.Errorf("%s: %d, allowed for %q", name, allowed.status, got)
		}
		if !strings.Contains(allowed.header.Get("Access-Control-Expose-Headers"), "X-Bursar-Call-Id") || allowed.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %v", name, allowed.header)
		}
	}
	for name, other := range map[string]reply{
		"another origin": call(listed, "key", "https://evil.example"), "none listed": call(unlisted, "key", "https://app.example.com"),
	} {
		if other.status != 200 || other.header.Get("Access-Control-Allow-Origin") != "" || other.header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: %d %v; want the call made, and no page allowed to read it", name, other.status, other.header)
		}
	}
}

func TestParseOrigin(t *testing.T) {
	for text, want := range map[string]string{
		"https://app.example.com": "https://app.example.com", "http://localhost:3000": "http://localhost:3000", "https://App.example.com": "https://app.example.com",
		"*": "", "https://*.example.com": "", "app.example.com": "", "https://app.example.com/": "", "https://u@app.example.com": "", "ftp://a": "", "null": "", "": "",
	} {
		if got, err := proxy.ParseOrigin(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}
