package provider_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/enforcer/provider"
)

// checked is a provider that is checked every minute, and what it was asked.
type checked struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

// start starts a provider that answers those with a key and those without with a status each.
func startChecked(t *testing.T, with, without int, body string) *checked {
	t.Helper()
	c := &checked{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, key := without, "nobody"
		for _, field := range []string{"Authorization", "X-Api-Key", "X-Goog-Api-Key", "Api-Key"} {
			if value := r.Header.Get(field); value != "" {
				status, key = with, value
			}
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = append(c.asked, r.Method+" "+r.URL.String()+" by "+strings.TrimPrefix(key, "Bearer "))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(c.Close)
	return c
}

// TestCheck: what a check finds out of a provider, and that it asks for what costs nothing.
func TestCheck(t *testing.T) {
	type report = limiterv1.ProviderReport
	const google = `{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT","details":[` +
		`{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}`
	for name, tc := range map[string]struct {
		protocol      limiterv1.Protocol
		with, without int
		body          string
		file          string
		want          report
		asked         []string
	}{
		"a good key": {
			with: 200, without: 401, want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.NoTrouble},
			asked: []string{"GET /models by sk-good", "GET /models by nobody"},
		},
		"a wrong key": {
			with: 401, want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyRejected},
			asked: []string{"GET /models by sk-good"},
		},
		"a list that everybody is shown, of which nothing follows": {
			with: 200, without: 200, want: report{Reachable: limiterv1.NoTrouble},
			asked: []string{"GET /models by sk-good", "GET /models by nobody"},
		},
		"a key without the right to the list": {with: 403, want: report{Reachable: limiterv1.NoTrouble}, asked: []string{"GET /models by sk-good"}},
		"no list":                             {with: 404, asked: []string{"GET /models by sk-good"}},
		"a provider that fails":               {with: 503, want: report{Reachable: limiterv1.NoTrouble}, asked: []string{"GET /models by sk-good"}},
		"no file with a key":                  {with: 200, file: "another", want: report{Credential: limiterv1.CredentialFileMissing}},
		"a wrong key of Anthropic's":          {protocol: limiterv1.Anthropic, with: 401, want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyRejected}, asked: []string{"GET /models?limit=1 by sk-good"}},
		"a wrong key of Google's":             {protocol: limiterv1.Gemini, with: 400, body: google, want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyRejected}, asked: []string{"GET /models?pageSize=1 by sk-good"}},
		"a wrong request of Google's":         {protocol: limiterv1.Gemini, with: 400, body: "{}", want: report{Reachable: limiterv1.NoTrouble}, asked: []string{"GET /models?pageSize=1 by sk-good"}},
		"a wrong key of Azure's":              {protocol: limiterv1.AzureOpenAI, with: 401, want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyRejected}, asked: []string{"GET /openai/models?api-version=2024-10-21 by sk-good"}},
		"a wrong key of Vercel's":             {protocol: limiterv1.VercelAIGateway, with: 401, want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyRejected}, asked: []string{"GET /v1/credits by sk-good"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := startChecked(t, tc.with, tc.without, tc.body)
			p := limiterv1.Provider{Name: "fake", Protocol: limiterv1.OpenAI, Endpoint: server.URL, CredentialFile: "openai", CheckSeconds: 60}
			if tc.protocol != "" {
				p.Protocol = tc.protocol
			}
			if tc.file != "" {
				p.CredentialFile = tc.file
			}
			reports, checker := newChecker(t)
			checker.Check(t.Context(), p)
			if got := reports.Reports()["fake"]; !got.Equal(tc.want) || !slices.Equal(server.asked, tc.asked) {
				t.Errorf("told %+v after asking %q, want %+v and %q", got, server.asked, tc.want, tc.asked)
			}
		})
	}
}

func newChecker(t *testing.T) (*provider.Reports, *provider.Checker) {
	t.Helper()
	dir := credentials(t, "sk-good")
	client, reports := provider.NewClient(dir), provider.NewReports(dir)
	t.Cleanup(client.Close)
	return reports, provider.NewChecker(client, reports, protocol.Protocols())
}

// TestWhenIsChecked: only providers with checks, only while no call is answered, and once an interval;
// whether a provider shows its list without a key is asked once.
func TestWhenIsChecked(t *testing.T) {
	server := startChecked(t, 200, 401, "")
	reports, checker := newChecker(t)
	now := time.Now()
	reports.SetNow(func() time.Time { return now })
	p := limiterv1.Provider{Name: "fake", Protocol: limiterv1.OpenAI, Endpoint: server.URL, CredentialFile: "openai"}
	look := func(after time.Duration, want int) {
		t.Helper()
		now = now.Add(after)
		checker.Check(t.Context(), p)
		if len(server.asked) != want {
			t.Errorf("asked %q, want %d", server.asked, want)
		}
	}
	look(0, 0)
	p.CheckSeconds = 60
	look(0, 2)
	look(59*time.Second, 2)
	look(time.Second, 3)
	now = now.Add(59 * time.Second)
	reports.Answered(p, "mini", "/chat/completions", 200)
	look(time.Second, 3)
	look(59*time.Second, 4)
	p.Endpoint += "/other"
	look(0, 6)
	checker.Check(t.Context()) // it is gone, and forgotten
	look(time.Minute, 8)
}
