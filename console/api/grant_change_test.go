package api_test

import (
	"net/http"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestGrantsAreMade: an admin of a tenant grants more to users, and only an admin of the platform
// to the whole tenant. Those who may make a grant may take it back.
func TestGrantsAreMade(t *testing.T) {
	adminOf(t, "tyrell", "rachael.tyrell")
	admin, platform := token("rachael.tyrell"), token("pat", "platform")
	grant := func(credential, limit, more string) answer {
		return doWith(t, http.MethodPost, "/api/ai/grants?tenant=tyrell", credential, nil,
			`{"limit":"`+limit+`","amount":"2.00","reason":"the launch","expiresAt":"2099-01-01T00:00:00Z"`+more+`}`)
	}
	var made api.MadeGrant
	got := grant(admin, "each-user", `,"user":"deckard","startsAt":"2098-01-01T00:00:00Z"`)
	got.read(t, &made)
	if got.status != http.StatusCreated || made.Namespace != "tyrell" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	stored := &v1alpha1.BudgetGrant{ObjectMeta: metav1.ObjectMeta{Namespace: "tyrell", Name: made.Name}}
	testkit.Must(t, shared.admin.Get(t.Context(), client.ObjectKeyFromObject(stored), stored))
	if s := stored.Spec; s.User != "deckard" || s.Amount != "2.00" || s.BudgetRef.Name != "tyrell" || s.StartsAt.IsZero() {
		t.Errorf("%+v", s)
	}
	names, err := askersOf(t.Context(), stored)
	testkit.Must(t, err)
	if len(names) != 1 || !strings.HasPrefix(names[0], "company/rachael.tyrell via ") {
		t.Errorf("on record are %q", names)
	}
	for _, tc := range []struct{ limit, more, want string }{
		{"daily", "", "beyond_tenant body.limit"},
		{"none", "", "invalid_parameter body.limit"},
		{"each-user", `,"user":"a b"`, "invalid_parameter body.user"},
		{"each-user", `,"user":"a","group":"b"`, "invalid_parameter body"},
		{"each-user", `,"startsAt":"2099-02-01T00:00:00Z"`, "invalid_parameter body.expiresAt"},
	} {
		if code, parameter := grant(admin, tc.limit, tc.more).problem(t); code+" "+parameter != tc.want {
			t.Errorf("%s%s: %s %s, want %s", tc.limit, tc.more, code, parameter, tc.want)
		}
	}
	got = grant(platform, "daily", "")
	got.read(t, &made)
	if got.status != http.StatusCreated {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if code, _ := do(t, http.MethodDelete, "/api/ai/grants/"+made.Name+"?tenant=tyrell", admin, nil).problem(t); code != "beyond_tenant" {
		t.Errorf("the tenant's admin takes back what the platform granted: %s", code)
	}
	if code, _ := do(t, http.MethodDelete, "/api/ai/grants/"+stored.Name+"?tenant=acme", platform, nil).problem(t); code != "not_found" {
		t.Errorf("a grant of another tenant: %s", code)
	}
	if got := do(t, http.MethodDelete, "/api/ai/grants/"+stored.Name+"?tenant=tyrell", admin, nil); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	if err := shared.admin.Get(t.Context(), client.ObjectKeyFromObject(stored), stored); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("it is still there: %v", err)
	}
}
