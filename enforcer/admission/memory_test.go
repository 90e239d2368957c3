package admission_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
)

// TestRefusalsRememberedAreSmall: the refusals of many users, who may be made up by a caller that
// acts for others, take little memory, however many rate limits and groups there are.
func TestRefusalsRememberedAreSmall(t *testing.T) {
	const users, groups, most = 1000, 1, 15 << 20
	document := limiterv1.Tenant{Level: limiterv1.Level{
		Tenant: "acme", TimeZone: "UTC", Money: []limiterv1.MoneyLimit{{Name: "each-user", Per: limiterv1.PerUser, Period: period.Day, Amount: money.USD}},
	}}
	for i := range limiterv1.MaxRates {
		for _, per := range []limiterv1.Scope{limiterv1.PerTenant, limiterv1.PerGroup} {
			document.Rates = append(document.Rates, limiterv1.RateLimit{
				Name: fmt.Sprint(per, "/", i), Per: per, Unit: limiterv1.Requests, Count: int64(i + 1), Burst: 1000, Window: 1000, Imposed: per == limiterv1.PerTenant,
			})
		}
	}
	tenant, err := admission.NewTenant(document)
	if err != nil {
		t.Fatal(err)
	}
	request := call("", 2*money.USD, 10)
	for i := range groups {
		request.Subject.Groups = append(request.Subject.Groups, fmt.Sprint("group-", i))
	}
	heap := func() int64 {
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return int64(stats.HeapAlloc)
	}
	before := heap()
	for i := range users {
		request.Subject.User = fmt.Sprint("user-", i)
		store := &scriptedStore{replies: []admission.AdmitReply{{Verdict: admission.Refused, Now: time.Now(), Refusing: 1}}}
		result, err := admission.NewAdmitter(store).Admit(context.Background(), tenant, request)
		if err != nil || result.Refusal == nil {
			t.Fatalf("got %+v, %v, want that the limit of the user refuses", result, err)
		}
	}
	if taken := heap() - before; taken > most {
		t.Errorf("%d refusals take %d MiB of memory, want at most %d", users, taken>>20, most>>20)
	}
	runtime.KeepAlive(tenant)
}
