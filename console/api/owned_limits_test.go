package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestEveryLimitThatCounts: /limits has each limit that counts calls of the caller, in the order in which they
// refuse: those of the tenant, the user, each of the user's groups, the key, and the tenants above. Only those
// who administer the tenant are told what others spend.
func TestEveryLimitThatCounts(t *testing.T) {
	ctx := t.Context()
	people := []v1alpha1.Member{member("vera.wayne", false), member("vic.wayne", true)}
	for i := range people {
		people[i].Groups = []v1alpha1.GivenGroup{"research"}
	}
	testkit.Must(t, makeTenant(ctx, "gotham", "", []v1alpha1.Member{member("gil.gotham", true)}))
	testkit.Must(t, makeTenant(ctx, "wayne", "gotham", people))
	testkit.Must(t, makeKey(ctx, "wayne", "kim.wayne", "empleado"))
	server := keyFor("wayne", "sam.wayne", "empleado")
	server.Spec.ActFor = &v1alpha1.ActFor{Users: []string{"*.wayne"}}
	testkit.Must(t, create(ctx, server))
	for i, call := range []struct{ user, groups, key string }{
		{"vera.wayne", "{research}", ""}, {"bo.wayne", "{other,research}", ""}, {"bo.wayne", "{other}", ""},
		{"kim.wayne", "{}", "wayne/kim.wayne"}, {"bo.wayne", "{}", "wayne/sam.wayne"}, {"sam.wayne", "{}", "wayne/sam.wayne"},
	} {
		_, err := shared.ledger.Exec(ctx, `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, groups, provider, model_asked, model_used, model, endpoint, streamed, admitted_at, settled_at,
  outcome, input_tokens, output_tokens, held_nanos, cost_nanos, session, decision, ancestors)
VALUES ($1, 'wayne', $2, 'empleado', $3, $4::text[], 'openai', 'gpt', 'gpt', 'gpt', 'chat', false, $5, $5, 'Settled', 100, 10, $6, $6, 's', 'Admitted', '{gotham}')`,
			fmt.Sprint("owned-", i), call.user, call.key, call.groups, now.Add(-time.Hour), 10_000_000<<i)
		testkit.Must(t, err)
	}
	const rates = "wayne/speed/each\nwayne/speed/all\ngotham/speed/all"
	for credential, want := range map[string]string{
		token("vera.wayne"): `wayne/daily 20%
wayne/of-research 20%
wayne/each-of-research 0.01 of 0.50
wayne/each-user 0.011000001 of 1.50
wayne/each-group research
gotham/daily
gotham/of-research
`,
		token("vic.wayne"): `wayne/daily 1.00 of 5.00
wayne/of-research 1.00 of 5.00
wayne/each-of-research 0.00 of 0.50
wayne/each-user 0.001000001 of 1.50
wayne/each-group research 0.03 of 1.50
gotham/daily
gotham/of-research
`,
		"key-of-kim.wayne": `wayne/daily 20%
wayne/each-user 0.08 of 0.50
wayne/each-key wayne/kim.wayne 0.08 of 0.50
gotham/daily
`,
		"key-of-sam.wayne": `wayne/daily 20%
wayne/each-user 0.32 of 0.50
wayne/each-key wayne/sam.wayne
gotham/daily
`,
		token("pat", "platform"): `wayne/daily 1.00 of 5.00
wayne/of-platform 1.00 of 5.00
wayne/of-research 1.00 of 5.00
wayne/each-of-platform 0.00 of 0.50
wayne/each-of-research 0.00 of 0.50
wayne/each-user 0.00 of 0.50
gotham/daily 1.00 of 5.00
gotham/of-platform 1.00 of 5.00
gotham/of-research 1.00 of 5.00
`,
	} {
		var got string
		testkit.Eventually(t, "the console knows who asks, and the tenants", func() bool {
			answer := do(t, http.MethodGet, "/api/ai/limits?tenant=wayne", credential, nil)
			if answer.status != http.StatusOK {
				return false
			}
			var limits api.Limits
			answer.read(t, &limits)
			got = linesOf(limits)
			return strings.HasSuffix(got, rates)
		})
		if got != want+rates {
			t.Errorf("got\n%s\nwant\n%s", got, want+rates)
		}
	}
}

// linesOf has a line for each limit: of money, with how it stands, and of rates.
func linesOf(limits api.Limits) string {
	var lines []string
	for _, l := range limits.Money {
		line := strings.TrimSpace(l.Tenant + "/" + l.Name + " " + l.Group + l.APIKey)
		switch {
		case l.Spent != nil:
			line += " " + l.Spent.USD + " of " + l.Amount.USD
		case l.Percent != nil:
			line += fmt.Sprintf(" %d%%", *l.Percent)
		}
		lines = append(lines, line)
	}
	for _, l := range limits.Rates {
		lines = append(lines, l.Tenant+"/"+l.Policy+"/"+l.Name)
	}
	return strings.Join(lines, "\n")
}

// TestManyGroups: a caller in more groups than allowed sees what they used, whether or not they name the
// tenant, but no limits of groups, because these count no calls of theirs.
func TestManyGroups(t *testing.T) {
	for many, counts := range map[int]bool{64: true, 65: false, 200: false} {
		groups := []string{"platform"} // which the Membership gives, too
		for n := range many - 1 {
			groups = append(groups, fmt.Sprintf("team-%03d", n))
		}
		for _, path := range []string{"/api/ai/usage", "/api/ai/usage?tenant=acme", "/api/ai/limits", "/api/ai/limits?tenant=acme"} {
			got := do(t, http.MethodGet, path, token("ana.acme", groups...), nil)
			if got.status != http.StatusOK {
				t.Errorf("%s of who is in %d groups: %d %s", path, many, got.status, got.body)
			}
			if strings.Contains(path, "limits") && (strings.Contains(got.body, `"group":"team-000"`) != counts || !strings.Contains(got.body, `"each-user"`)) {
				t.Errorf("%s of who is in %d groups, limits of which count: %v: %s", path, many, counts, got.body)
			}
		}
	}
}
