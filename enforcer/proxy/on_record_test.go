package proxy_test

import (
	"net/http"
	"reflect"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/call"
)

// TestRefusalsOnRecord: a call that a limit refused is put on record, once, under the
// id that its answer names, and with what the limit was like.
func TestRefusalsOnRecord(t *testing.T) {
	// refusedBy is the record of a refusal, except what is the same in all refusals.
	type refusedBy = ledgerv1.Refusal
	wait := 2250 * time.Millisecond
	for name, tc := range map[string]struct {
		change func(*door)
		body   string
		want   *refusedBy // nil: none
	}{
		"budget exhausted": {
			change: refusing(admission.AdmitReply{Refusing: 1, Spent: 80 * money.Cent, Held: 20 * money.Cent, Debts: left(200_000, 20)}),
			want: &refusedBy{
				Reason: "BudgetExhausted", LimitTenant: "acme", Limit: "daily", Per: "Tenant", Period: "Day",
				Amount: new(money.USD), Spent: new(80 * money.Cent), Held: new(20 * money.Cent), ResetsAt: &time.Time{},
			},
		},
		"breaker open": {
			change: refusing(admission.AdmitReply{Refusing: 2, Spent: 46 * money.Cent, Debts: left(200_000, 20)}),
			want: &refusedBy{
				Reason: "BreakerOpen", LimitTenant: "acme", Limit: "each-user", Per: "User", Period: "Month",
				Amount: new(money.USD / 2), Spent: new(46 * money.Cent), Held: new(money.Nanos(0)), ResetsAt: &time.Time{},
			},
		},
		"rate limited": {
			change: refusing(admission.AdmitReply{Refusing: 4, Debts: []int64{50_000 * 60_000, 20*60_000 - 15_000}}),
			want:   &refusedBy{Reason: "RateLimited", LimitTenant: "acme", Limit: "tiers/gerente", Per: "User", Unit: "requests", RetryAfter: &wait},
		},
		"a parent's breaker is forced open": {
			change: func(d *door) {
				document := dollarADay
				document.Ancestors = []limiterv1.Level{{Tenant: "group", TimeZone: "UTC", Forced: limiterv1.BreakerOpen}}
				d.config.tenant = newTenant(d.t, document)
			},
			want: &refusedBy{Reason: "BreakerForced", LimitTenant: "group", Ancestors: []string{"group"}},
		},
		"admitted":            {},
		"an unknown model":    {body: `{"model":"maxi","messages":[]}`},
		"the limiter is lost": {change: func(d *door) { d.store.err = errLost }},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDoor(t, func(http.ResponseWriter, *http.Request) {})
			if tc.change != nil {
				tc.change(d)
			}
			answer := d.call(or(tc.body, chat))
			got := d.refusals.all()
			if tc.want == nil {
				if len(got) > 0 {
					t.Errorf("on record: %+v", got)
				}
				return
			}
			if len(got) != 1 {
				t.Fatalf("%d refusals on record, want 1", len(got))
			}
			want := *tc.want
			want.CallID = answer.header.Get(call.CallIDHeader)
			want.Tenant, want.User, want.Tier, want.Credential = "acme", "gerente-1", "gerente", "acme/gerente-1-key"
			want.ModelAsked, want.Model, want.Endpoint, want.Session = "mini", "mini", "/v1/chat/completions", "session-1"
			want.Bound, want.Tokens = boundOf(chat), int64(len(chat)+100)
			if got[0].RefusedAt.IsZero() || want.ResetsAt != nil && !got[0].ResetsAt.After(got[0].RefusedAt) {
				t.Errorf("refused at %s, resets at %v", got[0].RefusedAt, got[0].ResetsAt)
			}
			want.RefusedAt = got[0].RefusedAt
			if want.ResetsAt != nil {
				want.ResetsAt = got[0].ResetsAt
			}
			if want.CallID == "" || !reflect.DeepEqual(got[0], want) {
				t.Errorf("on record:\n got %+v\nwant %+v", got[0], want)
			}
		})
	}
}

// TestFallbacksOnRecord: the record names what answered in the place of the call, and
// the model that was refused.
func TestFallbacksOnRecord(t *testing.T) {
	for name, tc := range map[string]struct {
		fallbacks []limiterv1.Fallback
		want      limiterv1.FallbackKind
	}{
		"the cheapest model":     {[]limiterv1.Fallback{fromCheapest, fromMessage}, "CheapestModel"},
		"a message":              {[]limiterv1.Fallback{among("gone"), fromMessage}, "Message"},
		"none that has anything": {[]limiterv1.Fallback{among("gone")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := newFallbackDoor(t, withFallbacks(tc.fallbacks...))
			d.spent = 95 * money.Cent
			id := d.call(bigChat).header.Get(call.CallIDHeader)
			got := d.refusals.all()
			if len(got) != 1 || got[0].Fallback != tc.want || got[0].Model != "gpt-4o" || got[0].CallID != id {
				t.Errorf("on record: %+v; want one of call %s and gpt-4o, with the fallback %q", got, id, tc.want)
			}
		})
	}
	t.Run("shadow refuses nothing", func(t *testing.T) {
		document := withFallbacks()
		document.Enforcement = limiterv1.Shadow
		d := newFallbackDoor(t, document)
		d.spent = 95 * money.Cent
		if got := d.call(bigChat); got.status != 200 || len(d.refusals.all()) > 0 {
			t.Errorf("status %d, on record: %+v", got.status, d.refusals.all())
		}
	})
}
