package fakeprovider_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/bursar-dev/bursar/hack/fakeprovider"
	"github.com/bursar-dev/bursar/hack/testkit"
)

func TestBrokenAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		prompt     string
		stream     bool
		wantStatus int
		wantCut    bool
		wantError  bool
		wantBilled int64 // output tokens; -1 for no call on the bill
	}{
		"stream cut":          {"[[cut=3]]", true, 200, true, false, 3},
		"stream cut at once":  {"[[cut=0]]", true, 200, true, false, 0},
		"stream cut at end":   {"[[cut=16]]", true, 200, true, false, 16},
		"whole answer cut":    {"[[output=16 cut=16]]", false, 200, true, false, 16},
		"stream fails":        {"[[fail=3]]", true, 200, false, true, 3},
		"too many requests":   {"[[status=429]]", false, 429, false, true, -1},
		"server error":        {"[[status=500]]", true, 500, false, true, -1},
		"unknown directive":   {"[[banana]]", false, 400, false, true, -1},
		"directive not sane":  {"[[output=-1]]", false, 400, false, true, -1},
		"status not an error": {"[[status=200]]", false, 400, false, true, -1},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, fakeprovider.Options{})
			status, raw, err := ask(t, server, request(tc.prompt, map[string]any{"stream": tc.stream}))
			if status != tc.wantStatus {
				t.Errorf("status %d, want %d", status, tc.wantStatus)
			}
			if (err != nil) != tc.wantCut {
				t.Errorf("reading the answer: %v, want an error: %v", err, tc.wantCut)
			}
			if strings.Contains(string(raw), "[DONE]") {
				t.Errorf("the answer is complete: %s", raw)
			}
			if tc.wantError {
				last := raw
				if data := frames(raw, "\n"); len(data) > 0 {
					last = []byte(data[len(data)-1])
				}
				if got := decode(t, last); got.Error == nil || got.Error.Message == "" || got.Error.Type == "" {
					t.Errorf("the last word is not an error: %s", last)
				}
			}
			if tc.wantBilled < 0 {
				if bill := server.Bill(); len(bill.Calls) != 0 {
					t.Errorf("billed %+v, want nothing", bill)
				}
				return
			}
			if call := onlyCall(t, server); call.OutputTokens != tc.wantBilled || call.Complete || call.InputTokens == 0 {
				t.Errorf("billed %+v, want input, %d output tokens, not complete", call, tc.wantBilled)
			}
		})
	}
}

// TestHelp: who asks for the directives is told of them, and of no mistake.
func TestHelp(t *testing.T) {
	status, raw, err := ask(t, start(t, fakeprovider.Options{}), request("Hello [[help]]", nil))
	if status != http.StatusBadRequest || err != nil {
		t.Errorf("%d %v", status, err)
	}
	if got := decode(t, raw); got.Error == nil || got.Error.Message != fakeprovider.DirectivesHelp {
		t.Errorf("got %s, want the directives", raw)
	}
}

// TestHold keeps many calls open at once and lets them go.
func TestHold(t *testing.T) {
	server := start(t, fakeprovider.Options{})
	const calls = 50
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() {
			// Half of them are paused in the middle of a stream.
			body := request("[[pause]]", nil)
			if i%2 == 0 {
				body = request("[[pause=8]]", map[string]any{"stream": true})
			}
			if status, raw, err := ask(t, server, body); status != http.StatusOK || err != nil {
				t.Errorf("%d %s %v", status, raw, err)
			}
		})
	}
	testkit.Eventually(t, "the provider has paused the calls", func() bool { return server.Paused() == calls })
	for _, call := range server.Bill().Calls {
		if call.Complete || call.OutputTokens != 8 {
			t.Errorf("a call that is paused is billed %+v, want 8 output tokens, not complete", call)
		}
	}
	response, err := http.Post(server.URL+"/resume", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if want := fmt.Sprintf(`{"resumed":%d}`, calls); string(answer) != want {
		t.Errorf("POST /resume: %s, want %s", answer, want)
	}
	wg.Wait()
	bill := server.Bill()
	if len(bill.Calls) != calls {
		t.Errorf("%d calls on the bill, want %d", len(bill.Calls), calls)
	}
	for _, call := range bill.Calls {
		if !call.Complete || call.OutputTokens != 16 {
			t.Errorf("billed %+v, want 16 output tokens, complete", call)
		}
	}
	if server.Paused() != 0 {
		t.Errorf("%d still paused", server.Paused())
	}
}

// TestHangUp: who hangs up pays for what was generated until then.
func TestHangUp(t *testing.T) {
	for name, tc := range map[string]struct {
		prompt     string
		stream     bool
		wantBilled int64 // output tokens; -1 for no call on the bill
	}{
		"before generation":     {"[[pause]]", false, -1},
		"in a stream":           {"[[pause=5]]", true, 5},
		"before a whole answer": {"[[pause=5]]", false, 5},
	} {
		t.Run(name, func(t *testing.T) {
			server := start(t, fakeprovider.Options{})
			ctx, hangUp := context.WithCancel(t.Context())
			defer hangUp()
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				response, err := post(ctx, server, request(tc.prompt, map[string]any{"stream": tc.stream}), nil)
				if err == nil {
					_, _ = io.Copy(io.Discard, response.Body)
					_ = response.Body.Close()
				}
			}()
			testkit.Eventually(t, "the provider has paused the call", func() bool { return server.Paused() == 1 })
			hangUp()
			<-gone
			testkit.Eventually(t, "the provider has paused no call", func() bool { return server.Paused() == 0 })
			if tc.wantBilled < 0 {
				if bill := server.Bill(); len(bill.Calls) != 0 {
					t.Errorf("billed %+v, want nothing", bill)
				}
				return
			}
			if call := onlyCall(t, server); call.OutputTokens != tc.wantBilled || call.Complete {
				t.Errorf("billed %+v, want %d output tokens, not complete", call, tc.wantBilled)
			}
		})
	}
}

func TestHeaderDirectives(t *testing.T) {
	server := start(t, fakeprovider.Options{})
	response, err := post(t.Context(), server, request("hi", nil), http.Header{fakeprovider.DirectivesHeader: {"output=7"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	if call := onlyCall(t, server); call.OutputTokens != 7 {
		t.Errorf("billed %+v, want 7 output tokens", call)
	}
}
