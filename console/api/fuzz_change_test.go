package api_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// nastyChanges are values that an attacker may give a member of a body.
var nastyChanges = []string{
	"", "null", "{}", "[]", "0", `"text"`, "{", "\x00", "\xff\xfe", `{"limits":null,"ladder":null,"alerts":null}`, `{"limits":[null]}`, `{"ladder":[{}]}`, `{"a":1}`,
	strings.Repeat("[", 20000), strings.Repeat(`{"limits":`, 5000), `{"reason":"` + strings.Repeat("a", 100000) + `"}`, `{"limits":[` + strings.Repeat("{},", 5000) + `{}]}`,
}

// nastyValues are what a member of a body may be.
var nastyValues = []any{
	nil, true, 0, -1, 1e300, "", " ", "a\x00b", "é\u202eevil", "\n", "1e309", "-5.00", "99999999999999", "5.0000000001", "NaN", "'; DROP TABLE tenants; --",
	"2026-13-45", "2026-11-01T00:00:00Z", "9999-12-31T23:59:59Z", "../../x", strings.Repeat("a", 5000), []any{}, []any{nil, nil}, map[string]any{}, map[string]any{"a\x00": "b"},
}

// mutations are a body with one of its members, of whatever depth, in turn something else.
func mutations(body any, take func(changed any)) {
	switch body := body.(type) {
	case map[string]any:
		for name, value := range body {
			for _, nasty := range nastyValues {
				body[name] = nasty
				take(body)
			}
			delete(body, name)
			take(body)
			body[name] = value
			mutations(value, func(any) { take(body) })
		}
	case []any:
		for i, value := range body {
			for _, nasty := range nastyValues {
				body[i] = nasty
				take(body)
			}
			body[i] = value
			mutations(value, func(any) { take(body) })
		}
	}
}

// TestNothingBreaksChanges gives every route that changes something every nasty parameter and
// body: no answer is an error of the server, and what is wrong is named.
func TestNothingBreaksChanges(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	asked, refused, made := 0, 0, 0
	ask := func(method, path, body string, header http.Header) {
		who := []string{token("hugo.hooli"), token("hugo.hooli"), token("hana.hooli"), token("pat", "platform")}[random.IntN(4)]
		asked++
		got := doWith(t, method, path, who, header, body)
		for tries := 0; got.status == http.StatusServiceUnavailable && tries < 5; tries++ { // the API server of a busy machine
			time.Sleep(time.Second)
			got = doWith(t, method, path, who, header, body)
		}
		switch {
		case got.status >= 500:
			t.Errorf("%s %s %.300q: %d %.500s", method, path, body, got.status, got.body)
		case got.status == http.StatusUnprocessableEntity:
			refused++
			if _, parameter := got.problem(t); parameter == "" {
				t.Errorf("%s %s %.300q names no parameter: %.500s", method, path, body, got.body)
			}
		case got.status < 300:
			made++
		}
	}
	for route, requests := range accesses {
		method, _, _ := strings.Cut(route, " ")
		if method == http.MethodGet {
			continue
		}
		for request := range requests {
			path, body, _ := strings.Cut(strings.ReplaceAll(request, "acme", "hooli"), " ")
			for _, nasty := range nastyChanges {
				ask(method, path, nasty, anyVersion)
			}
			var valid any
			if json.Unmarshal([]byte(body), &valid) == nil {
				mutations(valid, func(changed any) {
					text, err := json.Marshal(changed)
					if err == nil && random.IntN(6) == 0 {
						ask(method, path, string(text), anyVersion)
					}
				})
			}
			for _, nasty := range nasty {
				text := strings.ToValidUTF8(strings.ReplaceAll(nasty, "\x00", ""), "")
				ask(method, path, body, http.Header{"If-Match": {`"` + text + `"`}})
			}
			askParameters(route, func(path string) { ask(method, path, body, anyVersion) })
		}
	}
	t.Logf("%d requests, of which %d had something that was refused, and %d were made; 0 may be answered by 500", asked, refused, made)
}

// askParameters gives every parameter of a route, except the tenant, every nasty value.
func askParameters(route string, ask func(path string)) {
	operation := operationOf(route)
	for _, p := range operation.Parameters {
		for _, value := range nasty {
			if p.In != "header" && (p.Name != "tenant" || value != "acme") {
				path := requestOf(operation, map[string]string{"tenant": "hooli", "policy": "speed", p.Name: value})
				ask(path)
			}
		}
	}
}

func operationOf(route string) *huma.Operation {
	method, path, _ := strings.Cut(route, " ")
	item := shared.api.OpenAPI.Paths[path]
	return map[string]*huma.Operation{http.MethodPost: item.Post, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete}[method]
}

// TestBodiesAreBounded: a larger body than any route needs is refused before it is read.
func TestBodiesAreBounded(t *testing.T) {
	got := doWith(t, http.MethodPatch, "/api/ai/budgets/hooli", token("hugo.hooli"), anyVersion, `{"limits":[],"x":"`+strings.Repeat("a", 2<<20)+`"}`)
	if !slices.Contains([]int{http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, got.status) {
		t.Errorf("%d %.200s", got.status, got.body)
	}
	if got := doWith(t, http.MethodPatch, "/api/ai/budgets/hooli", token("hugo.hooli"), http.Header{"If-Match": {"*"}, "Content-Type": {"text/plain"}}, "a"); got.status != http.StatusUnprocessableEntity && got.status != http.StatusUnsupportedMediaType {
		t.Errorf("text: %d %.200s", got.status, got.body)
	}
	if _, parameter := doWith(t, http.MethodPatch, "/api/ai/budgets/hooli", token("hugo.hooli"), nil, `{}`).problem(t); parameter != "header.If-Match" {
		t.Errorf("without If-Match: %s", parameter)
	}
}
