package api_test

import (
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

// nasty are values that an attacker may give a parameter.
var nasty = []string{
	"", " ", "0", "-1", "1", "2", "1e309", "NaN", "99999999999999999999", "true", "null", "acme", "user", "day", "label", "day,hour", "day,day", "user,model,tier", ",", ",,,",
	"\x00", "a\x00b", "\xff\xfe", "é\u202eevil", "'; DROP TABLE tenants; --", "%", "%25", "../../etc/passwd", "<script>alert(1)</script>", "=1+1", "a=b", "=", "a=\x00",
	"2026-11-01", "2026-13-45", "0000-01-01", "9999-12-31", "2026-11-01T00:00:00Z", "2026-11-01T00:00:01Z", "2026-11-01T00:00:00+14:00", "-2026-11-01",
	"call-0-of-ana.acme", "Mi8x", "MTc2MzQ3NDY0NTAwMDAwMC9h", "OTk5OTk5OTk5OTk5OTk5OTk5OS9h", "LTEv", "LTkyMjMzNzIwMzY4NTQ3NzU4MDgvYQ", "OTIyMzM3MjAzNjg1NDc3NTgwNy9h", "LTk5OTk5OTk5OTk5OTk5OTk5L2E", "MTc2MzQ3NDY0NTAwMDAwMC8A", "csv", "json", "xml",
	strings.Repeat("a", 64), strings.Repeat("9", 400), strings.Repeat("a,", 60), strings.Repeat("é", 2000),
}

// nastyBodies are bodies of requests that mean no good.
var nastyBodies = []string{
	"", "{", "null", "[]", "1", `"x"`, "{}", `{"until": null}`, `{"until": 1}`, `{"until": ""}`, `{"until": "soon"}`, `{"until": "2026-11-19T00:00:00Z"}`, `{"until": "0000-01-01T00:00:00Z"}`,
	`{"until": "9999-12-31T23:59:59.999999999Z"}`, `{"until": "2026-11-19T00:00:00Z", "colour": "red"}`, `{"until": "2026-11-19T00:00:00Z", "until": []}`, "\xff", strings.Repeat("[", 20000), strings.Repeat("a", 3<<20),
}

// requestOf is a request of a route with some of its parameters given.
func requestOf(operation *huma.Operation, given map[string]string) string {
	path, query := operation.Path, url.Values{}
	for _, p := range operation.Parameters {
		value, ok := given[p.Name]
		switch {
		case p.In == "path" && (!ok || value == ""):
			path = strings.ReplaceAll(path, "{"+p.Name+"}", "acme")
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(value))
		case ok && p.In == "query":
			query.Set(p.Name, value)
		}
	}
	return path + "?" + query.Encode()
}

// TestNothingBreaksIt gives every parameter of every route every nasty value, alone and
// beside others, as a member, as an admin and as an admin of the platform: no answer is an
// error of the server, and what is wrong is named.
func TestNothingBreaksIt(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	asked, refused := 0, 0
	ask := func(method, path, credential string) {
		asked++
		body := ""
		if method == http.MethodPost {
			body = nastyBodies[random.IntN(len(nastyBodies))]
		}
		got := doWith(t, method, path, credential, nil, body)
		if got.status >= 500 {
			t.Errorf("%s %s: %d %.500s", method, path, got.status, got.body)
		}
		if got.status == http.StatusUnprocessableEntity {
			refused++
			if _, parameter := got.problem(t); parameter == "" {
				t.Errorf("%s %s names no parameter: %.500s", method, path, got.body)
			}
		}
	}
	for _, item := range shared.api.OpenAPI.Paths {
		for method, operation := range map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post} {
			if operation == nil {
				continue
			}
			for _, p := range operation.Parameters {
				for _, value := range nasty {
					ask(method, requestOf(operation, map[string]string{"tenant": "acme", p.Name: value}), token("adam.acme"))
				}
			}
			for range 150 {
				given := map[string]string{}
				for _, p := range operation.Parameters {
					if random.IntN(3) == 0 {
						given[p.Name] = nasty[random.IntN(len(nasty))]
					}
				}
				who := []string{token("ana.acme"), token("carla.company"), token("pat", "platform"), "key-of-cora.acme"}[random.IntN(4)]
				ask(method, requestOf(operation, given), who)
			}
		}
	}
	for _, value := range nasty {
		header := http.Header{"Accept": {strings.ToValidUTF8(strings.ReplaceAll(value, "\x00", ""), "")}, "If-None-Match": {"\"" + strings.ToValidUTF8(strings.ReplaceAll(value, "\x00", ""), "") + "\""}}
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO"} {
			for _, path := range []string{"/api/ai/usage", "/api/ai/budgets/" + url.PathEscape(value), "/api/ai/" + url.PathEscape(value), "/" + url.PathEscape(value)} {
				asked++
				if got := do(t, method, path, token("ana.acme"), header); got.status >= 500 {
					t.Errorf("%s %s: %d %.300s", method, path, got.status, got.body)
				}
			}
		}
	}
	t.Logf("%d requests, of which %d had a parameter that was refused; 0 may be answered by 500", asked, refused)
}

// TestCredentialsBreakNothing gives nasty credentials.
func TestCredentialsBreakNothing(t *testing.T) {
	for _, value := range nasty {
		if strings.ContainsAny(value, "\x00\r\n") {
			continue // a client cannot send it
		}
		for _, field := range []string{"", "Bearer ", "Basic ", "Bearer eyJhbGciOiJub25lIn0.", "Bearer bursar_"} {
			got := do(t, http.MethodGet, "/api/ai/me", "", http.Header{"Authorization": {field + value}})
			if got.status != http.StatusUnauthorized {
				t.Errorf("%q: %d %.200s", field+value, got.status, got.body)
			}
		}
	}
}

// TestAmbiguousQueries: a parameter that is given twice, or cannot be read, is refused, because to leave it out would
// answer with less, or more, than was asked for.
func TestAmbiguousQueries(t *testing.T) {
	for query, parameter := range map[string]string{
		"by=day&by=model": "query.by", "user=ana.acme&user=zoe.acme": "query.user", "tenant=acme&tenant=acme": "query.tenant",
		"user=ana;zoe": "query", "by=day&model=%zz": "query",
	} {
		got := do(t, http.MethodGet, "/api/ai/usage?"+query, token("adam.acme"), nil)
		if _, named := got.problem(t); got.status != http.StatusUnprocessableEntity || named != parameter {
			t.Errorf("%s: %d %s, want 422 that names %s", query, got.status, got.body, parameter)
		}
	}
}
