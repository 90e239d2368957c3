package store_test

import (
	"errors"
	"testing"

	"github.com/google/uuid"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestACallEndsWhoseTenantHasGone: a call ends although its tenant's budget was deleted, or
// moved to another tree, and Redis has lost the counters since, which nothing sets anew.
// While counters are being set, the call has to wait: it must be counted exactly once.
func TestACallEndsWhoseTenantHasGone(t *testing.T) {
	for name, tc := range map[string]struct {
		epoch string
		want  error
	}{
		"nobody counts it":               {"", nil},
		"it was counted in an epoch ago": {"0", nil},
		"it was suspended an epoch ago":  {"closed:0:ticket", nil},
		"it is to be counted":            {"closed:1:", nil},
		"it is being counted":            {"closed:1:ticket", admission.ErrSuspended},
		"a newer epoch has it":           {"2", admission.ErrSuspended},
		"a newer epoch counts it":        {"closed:2:ticket", admission.ErrSuspended},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, client, session := t.Context(), newClient(t), uuid.NewString()
			tenant := newTenant(t, dollarAYear(), nil)
			call := newCall(tenant, money.USD)
			decision, err := admission.NewAdmitter(newStore(client, session)).Admit(ctx, tenant, call)
			testkit.Must(t, err)
			counters := limiterv1.TenantCountersKey(call.Subject.Tenant, call.Subject.Tenant)
			testkit.Must(t, client.Del(ctx, counters).Err())
			if tc.epoch != "" {
				testkit.Must(t, client.HSet(ctx, counters, limiterv1.EpochField, tc.epoch).Err())
			}
			before := client.HGetAll(ctx, counters).Val()

			if err := decision.Hold.Settle(ctx, money.Cent, 1, &ledgerv1.Entry{}); !errors.Is(err, tc.want) {
				t.Errorf("the call ends: %v, want %v", err, tc.want)
			}
			raw, err := client.HGet(ctx, limiterv1.CallsKey(limiterv1.Shard(call.Subject.Tenant), session), call.ID).Bytes()
			testkit.Must(t, err)
			record, err := limiterv1.DecodeCallRecord(raw)
			testkit.Must(t, err)
			if settled := tc.want == nil; record.Settled != settled || settled && record.Amount != money.Cent {
				t.Errorf("its record: settled %t, %s; want settled %t", record.Settled, record.Amount, settled)
			}
			if after := client.HGetAll(ctx, counters).Val(); len(after) != len(before) {
				t.Errorf("the counters that nobody sets are %v, were %v", after, before)
			}
		})
	}
}
