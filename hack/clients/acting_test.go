//go:build clients

package clients

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/hack/stack"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// shop is a tenant whose server speaks for its users, each of whom has a limit.
var shop = strings.Replace(tenant("shop", "100"), `amount: "100"}]
  ladder: []`, `amount: "100"}, {name: each-user, per: User, period: Year, amount: "0.01"}]
  ladder: [{atPercent: 1, action: Warn}]`, 1) + `---
apiVersion: bursar.dev/v1alpha1
kind: APIKey
metadata: {name: shop-server, namespace: clients}
spec:
  sha256: ` + stack.HashKey(keyOf("shop-server")) + `
  budgetRef: {name: shop}
  user: shop-server
  tier: servicio
  models: [gpt-4o-mini]
  actFor: {users: ["*@shop.example"], tiers: [empleado, gerente]}
`

// TestServerThatSpeaksForItsUsers: the route handler of docs/identity.md, with the AI SDK of Vercel: the
// ledger has the user of each call and the server, and who is outside of the grant is refused.
func TestServerThatSpeaksForItsUsers(t *testing.T) {
	testkit.Must(t, bursar.Apply(t.Context(), shop))
	for _, object := range []string{"tenantbudget/shop", "apikey/shop-server"} {
		_, err := bursar.RunKubectl(t.Context(), "-n", "clients", "wait", "--for=condition=Programmed", "--timeout=60s", object)
		testkit.Must(t, err)
	}
	type row struct{ User, Tier, Actor, Credential string }
	for session, want := range map[string]row{
		"ana": {"ana@shop.example", "gerente", "shop-server", "clients/shop-server"},
		"bo":  {"bo@shop.example", "empleado", "shop-server", "clients/shop-server"},
	} {
		d := newDoor(t)
		r := (call{client: client{name: "next"}, api: session}).make(t, d, "shop-server")
		if r.Error != nil || !strings.HasPrefix(r.Text, "200 token0 token1 ") || len(d.log()) != 1 {
			t.Fatalf("%s: got %q, error %+v, answers %+v", session, r.Text, r.Error, d.log())
		}
		id := d.log()[0].callID
		checkBill(t, id)
		connection, err := pgx.Connect(t.Context(), bursar.DatabaseURL)
		testkit.Must(t, err)
		var got row
		err = connection.QueryRow(t.Context(), "SELECT user_id, tier, actor, credential FROM ai_usage_logs WHERE call_id = $1", id).
			Scan(&got.User, &got.Tier, &got.Actor, &got.Credential)
		if err != nil || got != want {
			t.Errorf("%s: the ledger has %+v, want %+v: %v", session, got, want, err)
		}
		testkit.Must(t, connection.Close(t.Context()))
	}
	d := newDoor(t)
	(call{client: client{name: "next"}, api: "root"}).make(t, d, "shop-server")
	statuses := []int{}
	for _, answer := range d.log() {
		statuses = append(statuses, answer.status)
	}
	if !slices.Equal(statuses, []int{http.StatusForbidden}) {
		t.Errorf("somebody outside of the grant: answers %v, want 403", statuses)
	}
	if r := (call{client: client{name: "next"}, api: "nobody"}).make(t, d, "shop-server"); !strings.HasPrefix(r.Text, "401 ") {
		t.Errorf("nobody: got %q", r.Text)
	}
}
