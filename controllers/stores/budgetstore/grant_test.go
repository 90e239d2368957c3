package budgetstore_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
)

func grantOf(uid, tenant, user string) budgetstore.Grant {
	created := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	return budgetstore.Grant{
		Grant: limiterv1.Grant{Name: "report", Owner: limiterv1.Owner{User: user}, Amount: 2 * money.USD, ExpiresAt: created.Add(time.Hour)},
		UID:   uid, Namespace: "acme", Tenant: tenant, Limit: "daily", Reason: "the report", CreatedAt: created,
	}
}

func TestRecordGrant(t *testing.T) {
	store, pool := newStore(t)
	first, second := grantOf("u1", "acme", ""), grantOf("u2", "acme", "ana")
	second.StartsAt = second.CreatedAt.Add(time.Minute)
	third := grantOf("u3", "acme", "")
	third.Reason = "the\x00 \xffreport"
	fourth, fifth := grantOf("u4", "acme", ""), grantOf("u5", "acme", "")
	fourth.Owner, fifth.Owner = limiterv1.Owner{Group: "eu, west"}, limiterv1.Owner{Key: "acme/ci"}
	again := first
	again.Reason = "another story"
	for _, grant := range []budgetstore.Grant{first, second, third, fourth, fifth, again} {
		if err := store.grants.Record(t.Context(), grant); err != nil {
			t.Fatal(err)
		}
	}
	for _, uid := range []string{"u1", "u1", "u-of-nobody"} {
		if _, err := store.grants.Close(t.Context(), uid); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.grants.Record(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	got := rows(t, pool, `SELECT grant_uid, ' ', tenant_id, ' ', grant_name, ' ', limit_name, ' ', coalesce(user_id, group_name, credential, '-'), ' ', amount_nanos, ' ',
reason, ' ', starts_at IS NULL, ' ', expires_at - created_at = interval '1 hour', ' ', withdrawn_at IS NULL FROM budget_grants ORDER BY grant_uid`)
	want := []string{
		"u1 acme report daily - 2000000000 the report true true false",
		"u2 acme report daily ana 2000000000 the report false true true",
		"u3 acme report daily - 2000000000 the\uFFFD \uFFFDreport true true true",
		"u4 acme report daily eu, west 2000000000 the report true true true",
		"u5 acme report daily acme/ci 2000000000 the report true true true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	refused(t, pool, insufficientPrivilege, "DELETE FROM budget_grants")
}

// TestReadersOfGrants: a user sees what is granted to all of the tenant and to them.
func TestReadersOfGrants(t *testing.T) {
	dsn := migrated(t)
	store := storesOn(poolAs(t, dsn, "bursar_manager"))
	for _, grant := range []budgetstore.Grant{
		grantOf("u1", "acme", ""), grantOf("u2", "acme", "ana"), grantOf("u3", "acme", "ben"), grantOf("u4", "globex", ""), grantOf("u5", "globex", "ana"),
	} {
		if err := store.grants.Record(t.Context(), grant); err != nil {
			t.Fatal(err)
		}
	}
	reader := poolAs(t, dsn, "bursar_reader")
	for name, tc := range map[string]struct {
		settings map[string]string
		want     []string
		told     string
	}{
		"nobody":           {map[string]string{"bursar.tenant_id": ""}, nil, "bursar.tenant_id"},
		"a user":           {map[string]string{"bursar.tenant_id": "acme", "bursar.user_id": "ana"}, []string{"u1", "u2"}, ""},
		"an administrator": {map[string]string{"bursar.tenant_id": "acme", "bursar.role": "admin"}, []string{"u1", "u2", "u3"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readWith(t, reader, tc.settings, "SELECT grant_uid FROM budget_grants ORDER BY grant_uid")
			if tc.told != "" {
				checkTold(t, err, tc.told)
			} else if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("error %v, rows (-want +got):\n%s", err, diff)
			}
		})
	}
}
