package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// reported is what the enforcer tells the control plane of the provider.
func (w *world) reported(r *running) limiterv1.ProviderReport {
	w.t.Helper()
	raw, err := w.redis.HGet(w.t.Context(), limiterv1.SessionStatesKey, r.session.ID()).Bytes()
	testkit.Must(w.t, err)
	var state limiterv1.SessionState
	testkit.Must(w.t, json.Unmarshal(raw, &state))
	return state.Providers["fake"]
}

func (w *world) awaitReport(r *running, want limiterv1.ProviderReport) {
	w.t.Helper()
	testkit.Eventually(w.t, "the session tells of the provider", func() bool { return w.reported(r).Equal(want) })
}

// TestProviderIsBroken: what is wrong with a provider reaches the control plane, and callers
// are told that it is not their doing; neither is told the key or its file.
func TestProviderIsBroken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	file := filepath.Join(w.keys, "fake")
	testkit.Must(t, os.Remove(file))
	e := w.ready()
	w.awaitReport(e, limiterv1.ProviderReport{Credential: limiterv1.CredentialFileMissing}) // without a call
	refused := func(code, why string) {
		t.Helper()
		got := e.call("gerente-1", chat("gpt-4o-mini", "[[output=1]]"))
		id := got.header.Get(call.CallIDHeader)
		for _, part := range []string{code, why, "the operator of Bursar must fix it", "Report call " + id} {
			if got.status != 502 || !strings.Contains(got.body, part) {
				t.Errorf("a call: %d %s, want %q", got.status, got.body, part)
			}
		}
		if strings.Contains(got.body, w.keys) || strings.Contains(got.body, "wrong") {
			t.Errorf("a caller reads of the key: %s", got.body)
		}
	}
	refused("provider_unreachable", "Bursar has no key for it")

	testkit.Must(t, os.WriteFile(file, []byte("a-key-that-is-wrong"), 0o600))
	refused("provider_refused", "with status 401")
	w.awaitReport(e, limiterv1.ProviderReport{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyRejected})

	nowhere := w.fake()
	nowhere.Endpoint = "http://127.0.0.1:1/v1"
	revision, err := w.put(nowhere)
	testkit.Must(t, err)
	testkit.Eventually(t, "the enforcer runs it", func() bool { return w.runs(e, revision) })
	w.awaitReport(e, limiterv1.ProviderReport{Credential: limiterv1.Untried})
	refused("provider_unreachable", "it refused the connection")
	w.awaitReport(e, limiterv1.ProviderReport{Reachable: limiterv1.ConnectionRefused, Credential: limiterv1.Untried})
}

// TestProviderIsChecked: a wrong key is told before there is a caller, and costs nothing.
func TestProviderIsChecked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	testkit.Must(t, os.WriteFile(filepath.Join(w.keys, "fake"), []byte("a-key-that-is-wrong"), 0o600))
	e := w.ready()
	checked := w.fake()
	checked.CheckSeconds = 1
	_, err := w.put(checked)
	testkit.Must(t, err)
	w.awaitReport(e, limiterv1.ProviderReport{Reachable: limiterv1.NoTrouble, Credential: limiterv1.KeyRejected})
}
