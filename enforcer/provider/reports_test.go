package provider_test

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/provider"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestTroubles: the troubles that the operator can mend are told apart, and from what they cannot.
func TestTroubles(t *testing.T) {
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	testkit.Must(t, err)
	nobody := "http://" + gone.Addr().String()
	testkit.Must(t, gone.Close())
	strange := httptest.NewUnstartedServer(http.NotFoundHandler())
	strange.Config.ErrorLog = log.New(io.Discard, "", 0)
	strange.StartTLS()
	defer strange.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	silent := rawServer(t, func(conn net.Conn) { _ = conn.Close() })
	for name, test := range map[string]struct {
		endpoint string
		file     string
		want     limiterv1.ProviderTrouble
	}{
		"no such host":              {endpoint: "http://no-such-host.invalid/v1", want: limiterv1.HostNotFound},
		"nobody listens":            {endpoint: nobody, want: limiterv1.ConnectionRefused},
		"a certificate of nobody":   {endpoint: strange.URL, want: limiterv1.TLSFailed},
		"no TLS":                    {endpoint: "https://" + plain.Listener.Addr().String(), want: limiterv1.TLSFailed},
		"no file":                   {endpoint: plain.URL, file: "another", want: limiterv1.CredentialFileMissing},
		"an empty file":             {endpoint: plain.URL, file: "empty", want: limiterv1.CredentialFileMissing},
		"a connection that is left": {endpoint: silent, want: ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := credentials(t, "sk-top-secret")
			testkit.Must(t, os.WriteFile(filepath.Join(dir, "empty"), []byte("\n"), 0o600))
			client := provider.NewClient(dir)
			defer client.Close()
			out := outgoing(test.endpoint)
			if test.file != "" {
				out.Provider.CredentialFile = test.file
			}
			response, err := client.Send(t.Context(), out)
			if err == nil {
				_ = response.Body.Close()
				t.Fatal("it was answered")
			}
			if got := limiterv1.TroubleOf(err); got != test.want {
				t.Errorf("%v is %q, want %q", err, got, test.want)
			}
		})
	}
}

// TestReports: what is told after what was seen, by the endpoint, the file and the answers.
func TestReports(t *testing.T) {
	type report = limiterv1.ProviderReport
	var fake = limiterv1.Provider{Name: "fake", Endpoint: "https://a", CredentialFile: "openai"}
	refused := errorOf(t, "http://127.0.0.1:1")
	for name, test := range map[string]struct {
		see  func(r *provider.Reports, wait func(time.Duration))
		want report
	}{
		"nothing": {see: func(*provider.Reports, func(time.Duration)) {}},
		"an answer": {
			see:  func(r *provider.Reports, _ func(time.Duration)) { r.Answered(fake, "mini", "/chat", 200) },
			want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.NoTrouble},
		},
		"a wrong request, which some answer to a wrong key, too": {
			see:  func(r *provider.Reports, _ func(time.Duration)) { r.Answered(fake, "mini", "/chat", 400) },
			want: report{Reachable: limiterv1.NoTrouble},
		},
		"a wrong key": {
			see:  func(r *provider.Reports, _ func(time.Duration)) { r.Answered(fake, "mini", "/chat", 401) },
			want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyRejected},
		},
		"a wrong key, and the right one just now": {
			see: func(r *provider.Reports, wait func(time.Duration)) {
				r.Answered(fake, "mini", "/chat", 401)
				wait(time.Second)
				r.Answered(fake, "mini", "/chat", 200)
			},
			want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyRejected},
		},
		"a wrong key, and the right one since": {
			see: func(r *provider.Reports, wait func(time.Duration)) {
				r.Answered(fake, "mini", "/chat", 401)
				wait(time.Second)
				r.Answered(fake, "mini", "/chat", 200)
				wait(time.Minute)
			},
			want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.NoTrouble},
		},
		"a wrong key, and nothing since": {
			see: func(r *provider.Reports, wait func(time.Duration)) {
				r.Answered(fake, "mini", "/chat", 401)
				wait(time.Hour)
			},
			want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyRejected},
		},
		"another endpoint since": {
			see: func(r *provider.Reports, _ func(time.Duration)) {
				r.Failed(fake, refused)
				other := fake
				other.Endpoint = "https://b"
				r.Answered(other, "mini", "/chat", 500)
			},
			want: report{Reachable: limiterv1.NoTrouble},
		},
		"nobody listens": {
			see:  func(r *provider.Reports, _ func(time.Duration)) { r.Failed(fake, refused) },
			want: report{Reachable: limiterv1.ConnectionRefused},
		},
		"a client that has gone": {
			see: func(r *provider.Reports, _ func(time.Duration)) { r.Failed(fake, errors.New("given up")) },
		},
		"a model that was never found": {
			see:  func(r *provider.Reports, _ func(time.Duration)) { r.Answered(fake, "mini", "/chat", 404) },
			want: report{Reachable: limiterv1.NotFound, Models: []string{"mini"}},
		},
		"a call of a model that is found otherwise": {
			see: func(r *provider.Reports, _ func(time.Duration)) {
				r.Answered(fake, "mini", "/chat", 200)
				r.Answered(fake, "mini", "/chat", 404)
				r.Answered(fake, "mini", "/chat", 404)
			},
			want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.NoTrouble},
		},
		"a model that the key may not use any more": {
			see: func(r *provider.Reports, _ func(time.Duration)) {
				r.Answered(fake, "mini", "/chat", 200)
				r.Answered(fake, "maxi", "/chat", 200)
				for range 3 {
					r.Answered(fake, "mini", "/chat", 403)
				}
			},
			want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyForbidden, Models: []string{"mini"}},
		},
		"calls at an endpoint that the provider does not have": {
			see: func(r *provider.Reports, _ func(time.Duration)) {
				r.Answered(fake, "mini", "/chat", 200)
				for range 3 {
					r.Answered(fake, "mini", "/responses", 404)
				}
			},
			want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.NoTrouble},
		},
		"a model that no provider lists": {
			see:  func(r *provider.Reports, _ func(time.Duration)) { r.Answered(fake, "", "/chat", 404) },
			want: report{Reachable: limiterv1.NoTrouble},
		},
		"no file": {
			see:  func(r *provider.Reports, _ func(time.Duration)) { r.Look(other("missing")) },
			want: report{Credential: limiterv1.CredentialFileMissing},
		},
		"the file is there": {
			see:  func(r *provider.Reports, _ func(time.Duration)) { r.Look(other("openai")) },
			want: report{Credential: limiterv1.Untried},
		},
		"a file that has come": {
			see: func(r *provider.Reports, _ func(time.Duration)) {
				r.Look(other("missing"))
				r.Look(other("openai"))
			},
			want: report{Credential: limiterv1.Untried},
		},
		"another endpoint, which nobody has called": {
			see: func(r *provider.Reports, _ func(time.Duration)) {
				r.Failed(fake, refused)
				r.Look(limiterv1.Provider{Name: "fake", Endpoint: "https://b"})
			},
		},
		"a model that is not listed any more": {
			see: func(r *provider.Reports, _ func(time.Duration)) {
				r.Answered(fake, "mini", "/chat", 404)
				r.Look(other("openai"))
			},
			want: report{Reachable: limiterv1.NoTrouble, Credential: limiterv1.Untried},
		},
		"a provider that is gone": {
			see: func(r *provider.Reports, _ func(time.Duration)) {
				r.Failed(fake, refused)
				r.Look()
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, now := provider.NewReports(credentials(t, "sk-top-secret")), time.Now()
			r.SetNow(func() time.Time { return now })
			test.see(r, func(d time.Duration) { now = now.Add(d) })
			if got := r.Reports()["fake"]; !got.Equal(test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestReportsSayWhenTheyChange: a call that shows what is known is no news.
func TestReportsSayWhenTheyChange(t *testing.T) {
	r := provider.NewReports(t.TempDir())
	fake := limiterv1.Provider{Name: "fake", Endpoint: "https://a", CredentialFile: "openai"}
	for i, test := range []struct {
		status   int
		wantNews bool
	}{{200, true}, {200, false}, {401, true}, {401, false}, {200, false}} {
		r.Answered(fake, "mini", "/chat", test.status)
		select {
		case <-r.Changed():
			if !test.wantNews {
				t.Errorf("answer %d, %d, is news", i, test.status)
			}
			r.Reports()
		default:
			if test.wantNews {
				t.Errorf("answer %d, %d, is no news", i, test.status)
			}
		}
	}
}

// TestCallersAreNotToBlame: only where no call of a model was ever answered, the provider's
// 404 is taken for the operator's matter.
func TestCallersAreNotToBlame(t *testing.T) {
	r, fake := provider.NewReports(t.TempDir()), limiterv1.Provider{Name: "fake"}
	for i, want := range []bool{false, false, true, true} {
		if got := r.Answered(fake, "never", "/chat", 404); got != want {
			t.Errorf("404 number %d of a model that never was found: broken is %t", i, got)
		}
	}
	r.Answered(fake, "found", "/chat", 200)
	for range 5 {
		if r.Answered(fake, "found", "/chat", 404) {
			t.Error("404 of a model that was found: nobody may say that no call is to blame")
		}
	}
}

func other(file string) limiterv1.Provider {
	return limiterv1.Provider{Name: "fake", Endpoint: "https://a", CredentialFile: file}
}

// errorOf is the error of a call to where nobody listens.
func errorOf(t *testing.T, endpoint string) error {
	t.Helper()
	client := provider.NewClient(credentials(t, "sk-top-secret"))
	defer client.Close()
	response, err := client.Send(t.Context(), outgoing(endpoint))
	if err == nil {
		_ = response.Body.Close()
		t.Fatal("somebody listens")
	}
	return err
}
