package main

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// consoleSaying is a console that answers a path, and the URL of which commands know.
func consoleSaying(t *testing.T, path, answer string) {
	t.Helper()
	console := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/ai"+path || r.Header.Get("Authorization") != "Bearer the-key" {
			t.Errorf("asked %s as %s", r.URL, r.Header.Get("Authorization"))
		}
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(console.Close)
	t.Setenv(consoleVariable, console.URL)
	t.Setenv(tokenVariable, "the-key")
}

// columns is a table with one space, or more, between words, as one.
func columns(text string) string {
	return strings.TrimSpace(regexp.MustCompile(`(?m) +$`).ReplaceAllString(regexp.MustCompile(` {2,}`).ReplaceAllString(text, " | "), ""))
}

// TestLimits: limits of money and of rates are shown, those of policies of other namespaces, too, and what is not
// told of them is left open.
func TestLimits(t *testing.T) {
	consoleSaying(t, "/limits", `{"tenant": "acme", "user": "ana", "asOf": "2026-11-18T20:00:00Z",
"money": [
 {"name": "daily", "tenant": "acme", "per": "Tenant", "period": "Day", "percent": 20, "resetsAt": "2026-11-19T03:00:00Z"},
 {"name": "each-team", "tenant": "acme", "per": "Group", "group": "research", "period": "Day", "spent": {"usd": "1.25"}, "left": {"usd": "3.75"}, "amount": {"usd": "5.00"}, "percent": 25, "resetsAt": "2026-11-19T03:00:00Z"}],
"rates": [
 {"name": "each", "tenant": "acme", "policy": "speed", "per": "User", "unit": "requests", "amount": 5, "window": "1m", "left": 4},
 {"name": "free", "tenant": "acme", "policy": "quotas/free-plan", "per": "User", "unit": "inFlight", "amount": 2}]}`)
	stdout, stderr, err := budgeted(t, "limits")
	const want = `LIMIT | TENANT | PER | PERIOD | SPENT (USD) | LEFT (USD) | AMOUNT (USD) | USED | RESETS
daily | acme | Tenant | Day | - | - | - | 20% | 2026-11-19T03:00:00Z
each-team | acme | Group research | Day | 1.25 | 3.75 | 5.00 | 25% | 2026-11-19T03:00:00Z

RATE LIMIT | TENANT | POLICY | PER | ALLOWS | LEFT
each | acme | speed | User | 5 requests per 1m | 4
free | acme | quotas/free-plan | User | 2 inFlight | -`
	if got := columns(stdout); err != nil || got != want {
		t.Errorf("%v %s: got\n%s\nwant\n%s", err, stderr, got, want)
	}
}

// TestRequestList: it says what was granted, by whom and when, though it is not what was asked for; and why a
// request was declined.
func TestRequestList(t *testing.T) {
	const asked = `"tenant": "acme", "user": "ana", "limit": "each-user", "amount": "5.00", "expiresAt": "2026-12-01T00:00:00Z", "requestedAt": "2026-11-18T20:00:00Z", "reason": "the launch"`
	consoleSaying(t, "/requests", `{"tenant": "acme", "requests": [
{"id": "r1", `+asked+`, "state": "Open"},
{"id": "r2", `+asked+`, "state": "Approved", "decision": {"by": "company/rita", "at": "2026-11-18T21:00:00Z", "reason": "half of it", "namespace": "acme", "grant": "g", "amount": "2.50", "expiresAt": "2026-11-20T00:00:00Z", "granted": true}},
{"id": "r3", `+asked+`, "state": "Declined", "decision": {"at": "2026-11-18T22:00:00Z", "reason": "use a cheaper model", "granted": false}}]}`)
	stdout, stderr, err := budgeted(t, "request", "list")
	const before = " | 2026-11-18T20:00:00Z | ana | each-user | 5.00 | 2026-12-01T00:00:00Z | the launch | "
	const want = `REQUEST | AT | USER | LIMIT | MORE | UNTIL | REASON | STATE | GRANTED | DECIDED | ANSWER
r1` + before + `Open | - | - | -
r2` + before + `Approved | 2.50 until 2026-11-20T00:00:00Z | 2026-11-18T21:00:00Z by company/rita | half of it
r3` + before + `Declined | - | 2026-11-18T22:00:00Z | use a cheaper model`
	if got := columns(stdout); err != nil || got != want {
		t.Errorf("%v %s: got\n%s\nwant\n%s", err, stderr, got, want)
	}
}

// TestWhichIsAsked: a console that only the environment names is asked where there is a credential for
// it, and the ledger otherwise, if there is one; a flag says it always.
func TestWhichIsAsked(t *testing.T) {
	const url, ledger = "https://bursar.example.com", "postgres://postgres.example.com/bursar"
	for name, tc := range map[string]struct {
		console   console
		ledger    database
		variables map[string]string
		isConsole bool
	}{
		"nothing is named":                       {},
		"a console":                              {variables: map[string]string{consoleVariable: url}, isConsole: true},
		"both, and no credential":                {variables: map[string]string{consoleVariable: url, databaseVariable: ledger}},
		"both, and a credential":                 {variables: map[string]string{consoleVariable: url, databaseVariable: ledger, tokenVariable: "key"}, isConsole: true},
		"both, and a file with a credential":     {console: console{tokenFile: "token"}, variables: map[string]string{consoleVariable: url, databaseVariable: ledger}, isConsole: true},
		"a credential, and a ledger by its flag": {ledger: database{url: ledger}, variables: map[string]string{consoleVariable: url, tokenVariable: "key"}},
		"a console by its flag":                  {console: console{url: url}, ledger: database{url: ledger}, isConsole: true},
	} {
		t.Run(name, func(t *testing.T) {
			for _, variable := range []string{consoleVariable, databaseVariable, tokenVariable} {
				t.Setenv(variable, tc.variables[variable])
			}
			if got := tc.console.isNamed(tc.ledger); got != tc.isConsole {
				t.Errorf("the console is asked: %t, want %t", got, tc.isConsole)
			}
		})
	}
}
