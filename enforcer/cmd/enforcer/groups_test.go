package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// grouped are limits of ten cents for each of two groups, and of four for each key. A call of
// the model penny costs one.
func grouped() limiterv1.Tenant {
	tenant := acme
	tenant.Rates = nil
	tenant.Money = []limiterv1.MoneyLimit{
		{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: money.USD},
		{
			Name: "each-team", Per: limiterv1.PerGroup, Period: period.Year, Amount: 10 * money.Cent,
			Selector: limiterv1.Selector{Groups: []string{"ads", "search"}},
		},
		{Name: "each-key", Per: limiterv1.PerKey, Period: period.Year, Amount: 4 * money.Cent, Selector: limiterv1.Selector{Tiers: []string{"ci"}}},
	}
	return tenant
}

func keyIn(user, tier string, groups ...string) limiterv1.Credential {
	key := keyOf(user, tier)
	key.Groups, key.Labels = groups, map[string]string{"cost-centre": "4711"}
	return key
}

// TestCallsOfGroups: of calls that come at once, exactly as many are admitted as fit into the
// limits of all groups of their callers, and of their keys; a call that one group has no room
// for takes nothing from the other. No header puts a caller into a group or takes it out of one.
func TestCallsOfGroups(t *testing.T) {
	w := newWorld(t)
	revision, err := w.put(grouped(), w.fake(),
		keyIn("ana", "gerente", "ads"), keyIn("bo", "gerente", "ads", "search"), keyIn("cy", "gerente", "other", "search"),
		keyIn("pipeline", "ci"), keyIn("leaked", "ci"))
	testkit.Must(t, err)
	r := w.start()
	testkit.Eventually(t, "the enforcer runs the configuration", func() bool { return w.runs(r, revision) })

	var mu sync.Mutex
	var all sync.WaitGroup
	admitted := map[string]int{}
	for i := range 60 {
		all.Go(func() {
			user := []string{"ana", "bo", "pipeline", "leaked"}[i%4]
			request := r.request(user, chat("penny", ""))
			request.Header.Set("X-Bursar-Groups", "other")
			request.Header.Set("X-Bursar-Labels", "team=other")
			got := do(r.client, request)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case got.status == http.StatusOK:
				admitted[user]++
			case got.status != http.StatusTooManyRequests:
				t.Errorf("%s: %+v", user, got)
			}
		})
	}
	all.Wait()
	if n := admitted["ana"] + admitted["bo"]; n != 10 {
		t.Errorf("%d calls of group ads were admitted, want 10", n)
	}
	for _, key := range []string{"pipeline", "leaked"} {
		if admitted[key] != 4 {
			t.Errorf("%d calls with key %s were admitted, want 4", admitted[key], key)
		}
	}
	// What bo's calls, which group ads refused, would have taken from group search is still there.
	left := 10 - admitted["bo"]
	for i := range left + 1 {
		want := http.StatusOK
		if i == left {
			want = http.StatusTooManyRequests
		}
		got := r.call("cy", chat("penny", ""))
		if got.status != want {
			t.Errorf("call %d of %d that are left to group search: %+v", i, left, got)
		}
		if i == left && !strings.Contains(got.body, `the limit \"each-team\" of group search`) {
			t.Errorf("the refusal does not name the group: %s", got.body)
		}
	}
	if got := r.call("ana", chat("penny", "")); !strings.Contains(got.body, `"group":"ads"`) {
		t.Errorf("the refusal does not name the group: %s", got.body)
	}

	testkit.Must(t, r.shutDown())
	var recorded, refused int
	testkit.Must(t, w.ledger.QueryRow(t.Context(), `
SELECT count(*) FROM ai_usage_logs WHERE 'search' = ANY(groups) AND labels = '{"cost-centre": "4711"}'`).Scan(&recorded))
	testkit.Must(t, w.ledger.QueryRow(t.Context(), `
SELECT count(*) FROM ai_refusals WHERE limit_name = 'each-team' AND per = 'Group' AND limit_group = ANY(groups)`).Scan(&refused))
	if want := 30 - admitted["ana"] - admitted["bo"] + 2; recorded != 10 || refused != want {
		t.Errorf("the ledger has %d calls of group search and %d refusals by a group's limit, want 10 and %d", recorded, refused, want)
	}
	for owner, want := range map[limiterv1.Owner]int64{{Group: "ads"}: 10, {Group: "search"}: 10, {Key: "acme/leaked"}: 4} {
		limit := grouped().Money[1]
		if owner.Key != "" {
			limit = grouped().Money[2]
		}
		key := limiterv1.CountersKey("acme", limiterv1.Epoch{Number: w.epoch}, "acme", owner)
		raw, err := w.redis.HGet(t.Context(), key, limiterv1.MoneyField(limit)).Bytes()
		testkit.Must(t, err)
		counter, err := limiterv1.DecodeMoneyCounter(raw)
		testkit.Must(t, err)
		if got := fmt.Sprint(counter.Spent, counter.Held); got != fmt.Sprint(money.Nanos(want)*money.Cent, money.Nanos(0)) {
			t.Errorf("%s: spent and held %s, want %d cents and none", owner, got, want)
		}
	}
}

// TestCapOfACredentialThatActs: a limit per key counts all calls that a credential makes on behalf of
// users, in addition to the limit of each user. It does not count the calls that other credentials
// make on behalf of the same users.
func TestCapOfACredentialThatActs(t *testing.T) {
	w := newWorld(t)
	tenant := acme
	tenant.Rates = nil
	tenant.Money = []limiterv1.MoneyLimit{
		{Name: "each-user", Per: limiterv1.PerUser, Period: period.Year, Amount: 3 * money.Cent},
		{Name: "each-key", Per: limiterv1.PerKey, Period: period.Year, Amount: 7 * money.Cent},
	}
	server, other := keyOf("server", "ci"), keyOf("other-server", "ci")
	server.ActFor = &limiterv1.ActFor{Users: []string{"shop-*"}}
	other.ActFor = server.ActFor
	revision, err := w.put(tenant, w.fake(), server, other)
	testkit.Must(t, err)
	r := w.start()
	testkit.Eventually(t, "the enforcer runs the configuration", func() bool { return w.runs(r, revision) })
	callFor := func(credential, user string) answer {
		request := r.request(credential, chat("penny", ""))
		if user != "" {
			request.Header.Set("X-Bursar-User", user)
		}
		return do(r.client, request)
	}
	for i, step := range []struct {
		credential, user string
		// refusedBy is what the refusal names; empty for a call that is admitted.
		refusedBy string
	}{
		{"server", "shop-1", ""}, {"server", "shop-1", ""}, {"server", "shop-1", ""},
		{"server", "shop-1", `the limit \"each-user\"`},
		{"server", "shop-2", ""}, {"server", "shop-2", ""},
		{"server", "", ""}, {"server", "shop-3", ""},
		{"server", "shop-2", `the limit \"each-key\"`}, {"server", "shop-4", `the limit \"each-key\"`}, {"server", "", `the limit \"each-key\"`},
		{"other-server", "shop-2", ""},
		{"other-server", "shop-2", `the limit \"each-user\"`},
		{"other-server", "shop-4", ""},
	} {
		got := callFor(step.credential, step.user)
		want := http.StatusOK
		if step.refusedBy != "" {
			want = http.StatusTooManyRequests
		}
		if got.status != want || !strings.Contains(got.body, step.refusedBy) {
			t.Errorf("call %d, by %s for %q: %d %s, want %d and %q", i, step.credential, step.user, got.status, got.body, want, step.refusedBy)
		}
	}
	testkit.Must(t, r.shutDown())
	var made, ownUsers int
	testkit.Must(t, w.ledger.QueryRow(t.Context(), `SELECT count(*), count(DISTINCT user_id) FROM ai_usage_logs
WHERE credential = 'acme/server' AND actor = CASE user_id WHEN 'server' THEN '' ELSE 'server' END`).Scan(&made, &ownUsers))
	if made != 7 || ownUsers != 4 {
		t.Errorf("the ledger has %d calls of %d users by the credential, want 7 of 4", made, ownUsers)
	}
}

// TestTooManyLimits: a caller in so many groups that Redis cannot check all of their limits at once is
// refused. That must not be treated as a loss of Redis: the caller would escape rate limits that others
// impose on its tenant, and each of its calls would remain as one that may hold money.
func TestTooManyLimits(t *testing.T) {
	w := newWorld(t)
	tenant := acme
	tenant.StoreLossPercent = 10
	tenant.Money = []limiterv1.MoneyLimit{{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: money.USD}}
	tenant.Rates = []limiterv1.RateLimit{{
		Name: "platform/all/once", Per: limiterv1.PerTenant, Unit: limiterv1.Requests, Count: 1, Burst: 1, Window: 3_600_000, Imposed: true,
	}}
	for i := range limiterv1.MaxRates {
		tenant.Rates = append(tenant.Rates, limiterv1.RateLimit{
			Name: fmt.Sprintf("own/%d", i), Per: limiterv1.PerGroup, Unit: limiterv1.Requests, Count: 1000 + int64(i), Burst: 1000, Window: 1000,
		})
	}
	groups := make([]string, identity.MaxCallerGroups)
	for i := range groups {
		groups[i] = fmt.Sprintf("group-%d", i)
	}
	revision, err := w.put(tenant, w.fake(), keyIn("ana", "gerente", "ads"), keyIn("many", "gerente", groups...))
	testkit.Must(t, err)
	r := w.start()
	testkit.Eventually(t, "the enforcer runs the configuration", func() bool { return w.runs(r, revision) })

	if got := r.call("ana", chat("penny", "")); got.status != http.StatusOK {
		t.Fatalf("a call that has room: %+v", got)
	}
	for range 20 { // by then, the tenant has its share for when Redis is lost
		got := r.call("many", chat("penny", ""))
		if got.status != http.StatusForbidden || !strings.Contains(got.body, `"too_many_limits"`) {
			t.Errorf("a call of a caller in %d groups: got %+v, want 403", len(groups), got)
		}
		time.Sleep(50 * time.Millisecond)
	}
	testkit.Must(t, r.shutDown())
}
