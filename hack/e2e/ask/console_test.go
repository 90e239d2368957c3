package ask

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// request is a request for more as kubectl budget prints it.
type request struct {
	ID, User, State, Amount, Reason string
	ExpiresAt                       time.Time
	Decision                        *struct {
		By, Reason, Amount string
		ExpiresAt          time.Time
	}
}

// TestPluginAsksTheConsole: with a console and their own key, and no login of the ledger, a user sees
// what they have used and why a call was refused, and asks for more; an admin sees what a change would have
// done, is told of the request by mail, and approves it; then calls go on.
func TestPluginAsksTheConsole(t *testing.T) {
	tenant(t, "asks", `limits: [{name: daily, period: Day, amount: "5.00"}, {name: each-user, per: User, period: Day, amount: "0.05"}]
alerts: {email: [asks@example.com]}`)
	user, admin := keyOf("asks", "user"), keyOf("asks", "admin")
	refused := ""
	for range 6 {
		if status, id := call(t, user, "penny", "Hello", "asks"); status != http.StatusOK {
			refused = id
		}
	}
	if refused == "" {
		t.Fatal("no call was refused")
	}
	var usage struct {
		Total struct {
			Calls   int64
			CostUSD string
		}
	}
	eventually(t, "the user sees their own calls", func() bool {
		testkit.Must(t, pluginJSON(t, &usage, user, "usage", "--by", "model"))
		return usage.Total.Calls == 5 && usage.Total.CostUSD == "0.05"
	})
	var why struct {
		Verdict string
		Why     []string
	}
	eventually(t, "the user is told why", func() bool { return pluginJSON(t, &why, user, "explain", refused) == nil })
	if why.Verdict != "refused" || len(why.Why) == 0 || !strings.Contains(why.Why[0], "asks/each-user") {
		t.Errorf("%+v", why)
	}
	if _, err := plugin(t, user, "usage", "--tenant", "day"); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("another tenant's usage: %v", err)
	}
	checkReplay(t, user, admin)
	askForMore(t, user, admin)
	eventually(t, "calls go on", func() bool {
		status, _ := call(t, user, "penny", "Hello", "asks")
		return status == http.StatusOK
	})
}

// checkReplay has an admin replay a file; a user may not.
func checkReplay(t *testing.T, user, admin string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "new.yaml")
	testkit.Must(t, os.WriteFile(file, []byte(`apiVersion: bursar.dev/v1alpha1
kind: TenantBudget
metadata: {name: asks, namespace: ask}
spec:
  tenant: asks
  ladder: []
  limits: [{name: daily, period: Day, amount: "5.00"}, {name: each-user, per: User, period: Day, amount: "0.02"}]
`), 0o600))
	var replayed struct {
		Replays []struct{ Admitted, Refused struct{ Calls int64 } }
	}
	testkit.Must(t, pluginJSON(t, &replayed, admin, "replay", "-f", file, "--since", "1d"))
	if len(replayed.Replays) != 1 || replayed.Replays[0].Admitted.Calls != 5 || replayed.Replays[0].Refused.Calls != 3 {
		t.Errorf("replayed %+v, want 5 calls, 3 of them refused", replayed)
	}
	if _, err := plugin(t, user, "replay", "-f", file, "--since", "1d"); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("a user replays: %v", err)
	}
}

// askForMore has a user ask for more, and an admin, who is told by mail, approve it.
func askForMore(t *testing.T, user, admin string) {
	t.Helper()
	var made, decided request
	testkit.Must(t, pluginJSON(t, &made, user, "request", "make", "--limit", "each-user", "--amount", "0.10", "--expires", "1h", "--reason", "the launch"))
	if made.State != "Open" || made.User != "user" {
		t.Errorf("made %+v", made)
	}
	testkit.Within(t, time.Minute, "the admins are told", func() bool {
		for _, mail := range bursar.Receivers.Mail.Mails("asks@example.com") {
			if strings.Contains(mail.Body, "the launch") {
				return true
			}
		}
		return false
	})
	var listed struct{ Requests []request }
	testkit.Must(t, pluginJSON(t, &listed, admin, "request", "list", "--open"))
	if len(listed.Requests) != 1 || listed.Requests[0].ID != made.ID {
		t.Errorf("listed %+v", listed)
	}
	if _, err := plugin(t, user, "request", "approve", made.ID); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("a user approves: %v", err)
	}
	if _, err := plugin(t, admin, "request", "approve", made.ID, "--amount", "none"); err == nil || !strings.Contains(err.Error(), "answered amount ") {
		t.Errorf("approved with no amount: %v", err)
	}
	testkit.Must(t, pluginJSON(t, &decided, admin, "request", "approve", made.ID, "--amount", "0.05", "--expires", "30m", "--reason", "good luck"))
	if decided.State != "Approved" || decided.Amount != "0.10" || decided.Decision == nil || decided.Decision.Reason != "good luck" || decided.Decision.Amount != "0.05" || !decided.Decision.ExpiresAt.Before(decided.ExpiresAt) {
		t.Errorf("decided %+v", decided)
	}
	if _, err := plugin(t, admin, "request", "decline", made.ID); err == nil || !strings.Contains(err.Error(), "already_decided") {
		t.Errorf("declined after that: %v", err)
	}
	if out, err := plugin(t, admin, "request", "list"); err != nil || !strings.Contains(out, "Approved") || !strings.Contains(out, "0.05 until ") || !strings.Contains(out, "good luck") {
		t.Errorf("the table: %v\n%s", err, out)
	}
}
