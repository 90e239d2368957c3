package store_test

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
)

// TestAdoptedCallEndsLikeAnother: an adopter, which knows of a call only what its record
// says, leaves the same counters as the call's own session does when it charges the hold.
func TestAdoptedCallEndsLikeAnother(t *testing.T) {
	clock, session := newStoppedClock(t), uuid.NewString()
	s := store.NewWithClock(clock.client, session, clock.luaSource())
	s.SetEpoch(testEpoch(clock.client))
	if err := clock.set(time.Date(2031, time.March, 1, 12, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	ends := map[string]func(admission.Request, *admission.Hold){
		"by its session": func(call admission.Request, hold *admission.Hold) {
			if err := hold.Settle(t.Context(), call.Bound, call.Tokens, &ledgerv1.Entry{}); err != nil {
				t.Fatal(err)
			}
		},
		"adopted": func(call admission.Request, hold *admission.Hold) {
			raw, err := clock.client.HGet(t.Context(), limiterv1.CallsKey(limiterv1.Shard(call.Subject.Tenant), session), call.ID).Bytes()
			if err != nil {
				t.Fatal(err)
			}
			record, err := limiterv1.DecodeCallRecord(raw)
			if err != nil {
				t.Fatal(err)
			}
			entry, err := ledgerv1.Decode(record.Body)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []bool{true, false} { // the second changes nothing
				ended, err := s.SettleAdopted(t.Context(), session, entry.OpenCall, record.Amount, &entry)
				if err != nil || ended != want {
					t.Fatalf("ended: %t, %v, want %t", ended, err, want)
				}
			}
		},
	}
	got := map[string]map[string]string{}
	for name, end := range ends {
		call, hold := admitCounted(t, s)
		end(call, hold)
		got[name] = countersOf(t, clock, call.Subject)
	}
	if diff := cmp.Diff(got["by its session"], got["adopted"]); diff != "" || len(got["adopted"]) != 19 {
		t.Errorf("counters (-of a call that its session has ended +of one that was adopted):\n%s", diff)
	}
}

// admitCounted admits a call that counts in limits of its tenant and of its owners there, of
// every kind.
func admitCounted(t *testing.T, s *store.Store) (admission.Request, *admission.Hold) {
	t.Helper()
	var limits []limiterv1.MoneyLimit
	var rates []limiterv1.RateLimit
	for _, per := range limiterv1.Scopes() {
		limits = append(limits, limiterv1.MoneyLimit{Name: "daily" + string(per), Per: per, Period: period.Day, Amount: money.USD})
		rates = append(rates,
			limiterv1.RateLimit{Name: "p/tokens" + string(per), Per: per, Unit: limiterv1.Tokens, Count: 100, Burst: 100, Window: 60_000},
			limiterv1.RateLimit{Name: "p/inFlight" + string(per), Per: per, Unit: limiterv1.InFlight, Burst: 4})
	}
	tenant := newTenant(t, limits, rates, limiterv1.Rung{AtPercent: 90, Action: limiterv1.Trip})
	call := newCall(tenant, 3*money.Cent)
	call.Subject.Groups, call.Subject.Credential = testGroups, testKeys[1]
	call.Entry.OpenCall = limiterv1.OpenCall{CallID: call.ID, Tenant: tenant.Name(), User: call.Subject.User, Root: tenant.Name()}
	d, err := admission.NewAdmitter(s).Admit(t.Context(), tenant, call)
	if err != nil || d.Hold == nil {
		t.Fatalf("%+v, %v", d, err)
	}
	return call, d.Hold
}

// countersOf are the counters of a tenant, and of the subject's owners there, by their fields.
func countersOf(t *testing.T, clock *stoppedClock, of admission.Subject) map[string]string {
	t.Helper()
	tenant, err := clock.client.HGetAll(t.Context(), limiterv1.TenantCountersKey(of.Tenant, of.Tenant)).Result()
	if err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(tenant, func(field, _ string) bool { return field == limiterv1.EpochField })
	for _, owner := range ownersOf(of)[1:] {
		counters, err := clock.client.HGetAll(t.Context(), limiterv1.CountersKey(of.Tenant, testEpoch(clock.client), of.Tenant, owner)).Result()
		if err != nil {
			t.Fatal(err)
		}
		for field, value := range counters {
			tenant[owner.String()+" "+field] = value
		}
	}
	return tenant
}
