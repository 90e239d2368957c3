package api_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// ask asks for more in the name of a credential.
func ask(t *testing.T, credential, limit, reason string) answer {
	t.Helper()
	return doWith(t, http.MethodPost, "/api/ai/requests", credential, nil,
		`{"limit":"`+limit+`","amount":"3.00","reason":"`+reason+`","expiresAt":"2027-01-01T00:00:00Z"}`)
}

// TestRequests: a user asks for more, an admin who may grant it approves or declines it, once; the
// grant is the user's, and everybody sees what is theirs to see.
func TestRequests(t *testing.T) {
	member, admin, platform := token("hana.hooli"), token("hugo.hooli"), token("pat", "platform")
	var asked, decided api.Request
	got := ask(t, member, "each-user", "the launch")
	got.read(t, &asked)
	if got.status != http.StatusCreated || asked.User != "hana.hooli" || asked.State != "Open" || asked.RequestedBy != "" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	decide := func(credential, id, what string) answer {
		return doWith(t, http.MethodPost, "/api/ai/requests/"+id+"/"+what+"?tenant=hooli", credential, nil, `{"reason":"good luck"}`)
	}
	if got := decide(member, asked.ID, "approve"); got.status != http.StatusForbidden {
		t.Errorf("a member approves their own: %d %s", got.status, got.body)
	}
	got = decide(admin, asked.ID, "approve")
	got.read(t, &decided)
	if got.status != http.StatusOK || decided.State != "Approved" || decided.Decision.Grant != "request-"+asked.ID || decided.Decision.By != "company/hugo.hooli" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	grant := &v1alpha1.BudgetGrant{ObjectMeta: metav1.ObjectMeta{Namespace: "hooli", Name: decided.Decision.Grant}}
	testkit.Must(t, shared.admin.Get(t.Context(), client.ObjectKeyFromObject(grant), grant))
	if s := grant.Spec; s.User != "hana.hooli" || s.Limit != "each-user" || s.Amount != "3.00" || s.Reason != "the launch" {
		t.Errorf("%+v", s)
	}
	for _, what := range []string{"approve", "decline"} {
		if code, _ := decide(admin, asked.ID, what).problem(t); code != "already_decided" {
			t.Errorf("%s again: %s", what, code)
		}
	}
	seen := do(t, http.MethodGet, "/api/ai/requests", member, nil)
	if !strings.Contains(seen.body, `"reason":"good luck"`) || strings.Contains(seen.body, "hugo") {
		t.Errorf("who asked sees %s", seen.body)
	}

	// What the whole tenant would have more is the platform's to give.
	ask(t, member, "daily", "for all of us").read(t, &asked)
	if code, _ := decide(admin, asked.ID, "approve").problem(t); code != "beyond_tenant" {
		t.Errorf("the tenant's admin gives the tenant more: %s", code)
	}
	decided = api.Request{}
	decide(platform, asked.ID, "decline").read(t, &decided)
	if decided.State != "Declined" || decided.Decision.Grant != "" {
		t.Errorf("%+v", decided)
	}
	checkAsking(t, member)
}

// checkAsking asks for what nobody may ask for, and too often.
func checkAsking(t *testing.T, member string) {
	t.Helper()
	for _, tc := range []struct{ limit, reason, want string }{
		{"each-user", `a\nb`, "invalid_parameter body.reason"},
		{"each-user", `a\u0000b`, "invalid_parameter body.reason"},
		{"each-user", `a\u202eb`, "invalid_parameter body.reason"},
		{"each-user", " ", "invalid_parameter body.reason"},
		{"each-user", strings.Repeat("a", 513), "invalid_parameter body.reason"},
		{"none", "why", "invalid_parameter body.limit"},
	} {
		if code, parameter := ask(t, member, tc.limit, tc.reason).problem(t); code+" "+parameter != tc.want {
			t.Errorf("%q: %s %s, want %s", tc.reason, code, parameter, tc.want)
		}
	}
	if got := ask(t, token("pat", "platform"), "each-user", "why"); got.status < 400 {
		t.Errorf("who belongs to no tenant asks: %d", got.status)
	}
	var statuses []int
	for range 6 {
		statuses = append(statuses, ask(t, member, "each-user", "again").status)
	}
	if statuses[5] != http.StatusTooManyRequests || !slices.Contains(statuses, http.StatusCreated) {
		t.Errorf("asking again and again: %v", statuses)
	}
}

// TestRequestsThatExpireAtOnce: nobody fills the list with requests that expire as soon as they are
// made.
func TestRequestsThatExpireAtOnce(t *testing.T) {
	var last answer
	for range 6 {
		last = doWith(t, http.MethodPost, "/api/ai/requests", token("hugo.hooli"), nil,
			`{"limit":"each-user","amount":"3.00","reason":"soon over","expiresAt":"`+now.Add(time.Second).Format(time.RFC3339)+`"}`)
	}
	if last.status != http.StatusTooManyRequests {
		t.Errorf("the sixth: %d %s", last.status, last.body)
	}
}
