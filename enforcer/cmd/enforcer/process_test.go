package main

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestSIGTERM: an enforcer in a process of its own, told to end in the midst of a
// stream, finishes the stream, settles the call and exits well.
func TestSIGTERM(t *testing.T) {
	w := newWorld(t)
	w.configure()
	child := exec.CommandContext(t.Context(), os.Args[0],
		"--listen-address", "127.0.0.1:0", "--health-address", "127.0.0.1:0", "--provider-credentials-dir", w.keys)
	child.Env = append(os.Environ(), asEnforcer+"=yes", redisVariable+"="+w.redisURL, databaseVariable+"="+w.database.Enforcer)
	stderr, err := child.StderrPipe()
	testkit.Must(t, err)
	testkit.Must(t, child.Start())
	t.Cleanup(func() { _ = child.Process.Kill() }) // fails when it has ended, as it should
	log := bufio.NewScanner(stderr)
	address := servesAt(t, log)
	var rest strings.Builder
	logged := make(chan struct{})
	go func() {
		defer close(logged)
		for log.Scan() {
			rest.WriteString(log.Text() + "\n")
		}
	}()

	var stream *opened
	testkit.Eventually(t, "the enforcer is configured", func() bool {
		stream, err = open(http.DefaultClient, request(t, address, "gerente-1",
			chat("gpt-4o", "[[output=9 pause=4]]", `"stream":true`, `"max_completion_tokens":20`)))
		testkit.Must(t, err)
		if stream.status != http.StatusOK {
			stream.hangUp()
		}
		return stream.status == http.StatusOK
	})
	testkit.Eventually(t, "the provider holds the stream", func() bool { return w.provider.Paused() == 1 })
	testkit.Must(t, child.Process.Signal(syscall.SIGTERM))
	testkit.Eventually(t, "the port is closed", func() bool { return !listens(address) })
	w.provider.Resume()
	if got := stream.read(); got.err != nil || !strings.HasSuffix(got.body, "data: [DONE]\n\n") || got.header.Get(call.CallIDHeader) == "" {
		t.Errorf("the stream: %s %v", got.body, got.err)
	}
	http.DefaultClient.CloseIdleConnections()
	<-logged
	if err := child.Wait(); err != nil {
		t.Errorf("the enforcer ends with %v:\n%s", err, rest.String())
	}
	rows := w.rows(len(w.provider.Bill().Calls))
	w.likeTheBill(rows)
	w.atRest(rows)
}

// servesAt reads from the log where calls are served.
func servesAt(t *testing.T, log *bufio.Scanner) string {
	t.Helper()
	for log.Scan() {
		var line struct {
			Msg   string `json:"msg"`
			Calls string `json:"calls"`
		}
		if err := json.Unmarshal(log.Bytes(), &line); err != nil {
			t.Fatalf("the log has %q: %v", log.Text(), err)
		}
		if line.Msg == "enforcer is serving" {
			return line.Calls
		}
	}
	t.Fatal("the enforcer does not say where it serves")
	return ""
}
