package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
)

// brokenHistory is a tenant with a limit of each kind, calls of it, and values that
// are broken between them. Its model adds up calls and knows no counters.
type brokenHistory struct {
	clock *stoppedClock
	store *store.Store
	// session is whose calls they are.
	session string
	doc     limiterv1.Tenant
	calls   []*modelCall
	told    []store.Broken
	// planted is how many values were broken that somebody must find.
	planted int
	// lowered are the keys, and the fields, whose holds were lowered to what may be right.
	lowered map[string]bool
	// unknown are the keys whose amounts nobody can know any more.
	unknown map[string]bool
}

const brokenAmount = 300

var (
	brokenMoney = []limiterv1.MoneyLimit{
		{Name: "yearly", Per: limiterv1.PerTenant, Period: period.Year, Amount: brokenAmount},
		{Name: "each", Per: limiterv1.PerUser, Period: period.Year, Amount: brokenAmount},
	}
	brokenRates = []limiterv1.RateLimit{
		{Name: "p/rate", Per: limiterv1.PerTenant, Unit: limiterv1.Requests, Count: 5, Burst: 5, Window: 1000},
		{Name: "p/all-flight", Per: limiterv1.PerTenant, Unit: limiterv1.InFlight, Burst: 1000},
		{Name: "p/user-rate", Per: limiterv1.PerUser, Unit: limiterv1.Requests, Count: 5, Burst: 5, Window: 1000},
		{Name: "p/flight", Per: limiterv1.PerUser, Unit: limiterv1.InFlight, Burst: 1000},
	}
	// brokenParent is what the tenant's parent has: limits of the tenant alone.
	brokenParent = limiterv1.Level{TimeZone: "UTC", Money: brokenMoney[:1], Rates: brokenRates[:2]}
)

// TestScriptsMendWhatIsBroken: whatever stands in the counters, scripts answer, tell of
// each broken value once, in their answers as in the data, let no more money through
// than the limits have, and leave whole numbers that are not negative.
func TestScriptsMendWhatIsBroken(t *testing.T) {
	clock := newStoppedClock(t)
	rapid.Check(t, func(t *rapid.T) {
		h := &brokenHistory{clock: clock, session: uuid.NewString(), lowered: map[string]bool{}, unknown: map[string]bool{}}
		h.store = store.NewWithClock(clock.client, h.session, clock.luaSource())
		h.store.OnBroken(func(b store.Broken) { h.told = append(h.told, b) })
		h.store.SetEpoch(testEpoch(clock.client))
		doc := brokenTenant()
		if rapid.Bool().Draw(t, "shadow") {
			doc.Enforcement = limiterv1.Shadow
		}
		if err := openTenant(clock.client, doc); err != nil {
			t.Fatal(err)
		}
		h.doc = doc
		clock.begin(t)
		if err := clock.set(ten); err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){
			"admit":        func(t *rapid.T) { h.admit(t) },
			"settle":       h.settle,
			"break money":  h.breakMoney,
			"lower held":   h.lowerHeld,
			"break bucket": h.breakBucket,
			"fraction":     h.fraction,
			"break record": h.breakRecord,
			"break share":  h.breakShare,
			"":             h.check,
		})
	})
}

func brokenTenant() limiterv1.Tenant {
	parent := brokenParent
	parent.Tenant = uuid.NewString()
	return limiterv1.Tenant{
		Level:     limiterv1.Level{Tenant: uuid.NewString(), TimeZone: "UTC", Money: brokenMoney, Rates: brokenRates},
		Ancestors: []limiterv1.Level{parent},
	}
}

// admit makes a call. A fresh tenant remembers no refusal, so that the scripts run.
func (h *brokenHistory) admit(t *rapid.T) {
	tenant, err := admission.NewTenant(h.doc)
	if err != nil {
		t.Fatal(err)
	}
	call := admission.Request{
		ID: uuid.NewString(), Subject: admission.Subject{Tenant: h.doc.Tenant, User: "a"}, Model: "m",
		Bound: money.Nanos(rapid.Int64Range(1, 60).Draw(t, "bound")),
	}
	d, err := admission.NewAdmitter(h.store).Admit(context.Background(), tenant, call)
	if errors.Is(err, admission.ErrSuspended) && h.anyUnknown() {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if d.Hold == nil {
		return
	}
	var spent, held money.Nanos
	for _, c := range h.calls {
		if c.settled {
			spent += c.cost
		} else {
			held += c.call.Bound
		}
	}
	for key := range h.fields() {
		if h.doc.Enforcement == limiterv1.Shadow {
			break // refuses nothing
		}
		most := spent + held + call.Bound
		if h.lowered[key] {
			most = spent + call.Bound // its holds were taken away, and nobody can tell
		}
		if h.unknown[key] || most > brokenAmount {
			t.Fatalf("admitted %d beside %d spent and %d held; %s unknown: %t", call.Bound, spent, held, key, h.unknown[key])
		}
	}
	h.calls = append(h.calls, &modelCall{call: call, hold: d.Hold})
}

// anyUnknown is whether an amount was broken that nobody has counted anew.
func (h *brokenHistory) anyUnknown() bool {
	for key := range h.fields() {
		if h.unknown[key] {
			return true
		}
	}
	return false
}

func (h *brokenHistory) settle(t *rapid.T) {
	if len(h.calls) == 0 {
		t.Skip("no call yet")
	}
	c := rapid.SampledFrom(h.calls).Draw(t, "call")
	if c.settled {
		return
	}
	c.settled, c.cost = true, money.Nanos(rapid.Int64Range(0, int64(c.call.Bound)).Draw(t, "cost"))
	before := len(h.told)
	if err := c.hold.Settle(context.Background(), c.cost, 0, &ledgerv1.Entry{}); err != nil {
		t.Fatal(err)
	}
	for _, b := range h.told[before:] { // what would become negative for want of what was taken away
		if b.Kind != "negative" || b.Counter == "money" && !h.lowered[b.Field] {
			t.Fatalf("told of %+v, and nothing was broken", b)
		}
		h.planted++
	}
}

// fields are the money fields, with the keys they are in.
func (h *brokenHistory) fields() map[string]string {
	root := h.doc.Root()
	return map[string]string{
		limiterv1.TenantCountersKey(root, h.doc.Tenant): limiterv1.MoneyField(brokenMoney[0]),
		limiterv1.TenantCountersKey(root, root):         limiterv1.MoneyField(brokenMoney[0]),
		h.userKey():                                     limiterv1.MoneyField(brokenMoney[1]),
	}
}

func (h *brokenHistory) userKey() string {
	return limiterv1.CountersKey(h.doc.Root(), limiterv1.Epoch{Number: 1}, h.doc.Tenant, limiterv1.Owner{User: "a"})
}

func (h *brokenHistory) draw(t *rapid.T) (key, field string, raw []byte) {
	key = rapid.SampledFrom(slices.Sorted(maps.Keys(h.fields()))).Draw(t, "key")
	field = h.fields()[key]
	raw, _ = h.clock.client.HGet(context.Background(), key, field).Bytes()
	if len(raw) == 0 || math.Float64frombits(binary.LittleEndian.Uint64(raw)) == 0 {
		t.Skip("nothing is counted there yet")
	}
	return key, field, raw
}

func (h *brokenHistory) write(t *rapid.T, key, field string, raw []byte) {
	if err := h.clock.client.HSet(context.Background(), key, field, raw).Err(); err != nil {
		t.Fatal(err)
	}
}

// breakMoney breaks a counter so that it can be seen, and makes a call: it must be told
// of once, and not again.
func (h *brokenHistory) breakMoney(t *rapid.T) {
	key, field, raw := h.draw(t)
	if rapid.IntRange(0, 3).Draw(t, "whole counter") == 0 {
		raw = rapid.SliceOfN(rapid.Byte(), 0, 55).Draw(t, "garbage")
	} else {
		value := rapid.SampledFrom([]float64{-1, -1e300, 1e300, math.NaN(), math.Inf(1), math.Inf(-1)}).Draw(t, "value")
		// Of start, finish, spent, held, and those of the period before; -1 is a time.
		at := rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5, 6}).Draw(t, "number")
		if value == -1 && (at == 0 || at == 4) {
			at++
		}
		binary.LittleEndian.PutUint64(raw[8*at:], math.Float64bits(value))
		if at > 4 { // of a period that is over: this one is known
			h.write(t, key, field, raw)
			h.findsOnce(t, key)
			return
		}
	}
	h.write(t, key, field, raw)
	h.unknown[key] = true // from now on: also the call that finds it must not be admitted
	h.findsOnce(t, key)
}

// lowerHeld writes a hold that may be right, and is less than what is held.
func (h *brokenHistory) lowerHeld(t *rapid.T) {
	key, field, raw := h.draw(t)
	if h.unknown[key] {
		t.Skip("unknown already")
	}
	held := math.Float64frombits(binary.LittleEndian.Uint64(raw[24:]))
	if held == 0 {
		t.Skip("nothing is held")
	}
	binary.LittleEndian.PutUint64(raw[24:], math.Float64bits(float64(rapid.IntRange(0, int(held)-1).Draw(t, "held"))))
	h.write(t, key, field, raw)
	h.lowered[key], h.lowered[field] = true, true
}

// fraction adds a half to what is spent: that is rounded up.
func (h *brokenHistory) fraction(t *rapid.T) {
	key, field, raw := h.draw(t)
	if h.unknown[key] {
		t.Skip("unknown already")
	}
	spent := math.Float64frombits(binary.LittleEndian.Uint64(raw[16:]))
	binary.LittleEndian.PutUint64(raw[16:], math.Float64bits(spent+0.5))
	h.write(t, key, field, raw)
	h.findsOnce(t, key)
	if last := h.told[len(h.told)-1]; last.Kind != "fraction" || last.Mended != strconv.Itoa(int(spent)+1) {
		t.Fatalf("%v and a half: told of %+v", spent, last)
	}
}

// breakRecord breaks the record of an open call: its end is told of, once, and posts
// what it cost all the same.
func (h *brokenHistory) breakRecord(t *rapid.T) {
	open := slices.DeleteFunc(slices.Clone(h.calls), func(c *modelCall) bool { return c.settled })
	if len(open) == 0 {
		t.Skip("no open call")
	}
	c := rapid.SampledFrom(open).Draw(t, "call")
	raw := rapid.SampledFrom([]string{"", "H", "garbage that is long enough", "H" + string(floats(math.NaN(), 0)), "H" + string(floats(-1, 0))}).Draw(t, "record")
	h.write(t, h.callsKey(), c.call.ID, []byte(raw))
	c.settled, c.cost = true, c.call.Bound
	before := len(h.told)
	for range 2 {
		if err := c.hold.Settle(context.Background(), c.cost, 0, &ledgerv1.Entry{}); err != nil {
			t.Fatal(err)
		}
	}
	h.planted += len(h.told) - before
	for i, found := range h.told[before:] { // then buckets of calls in flight that were broken before
		if (i == 0) != (found.Counter == "call") || i > 0 && (found.Counter != "bucket" || found.Kind != "negative") {
			t.Fatalf("a broken record: told of %+v, want it once", h.told[before:])
		}
	}
	if len(h.told) == before {
		t.Fatal("nothing was told of a broken record")
	}
}

func (h *brokenHistory) callsKey() string {
	return limiterv1.CallsKey(limiterv1.Shard(h.doc.Root()), h.session)
}

// breakShare breaks the record of an open call that another takes from: that is told of,
// once, and the end of the call is a call's like any other.
func (h *brokenHistory) breakShare(t *rapid.T) {
	open := slices.DeleteFunc(slices.Clone(h.calls), func(c *modelCall) bool { return c.settled })
	if len(open) == 0 {
		t.Skip("no open call")
	}
	c := rapid.SampledFrom(open).Draw(t, "call")
	raw := rapid.SampledFrom([]string{"", "H", "garbage that is long enough", "H" + string(floats(math.NaN(), 0)), "H" + string(floats(-1, 0))}).Draw(t, "record")
	h.write(t, h.callsKey(), c.call.ID, []byte(raw))
	before := len(h.told)
	for range 2 {
		err := h.store.Take(context.Background(), admission.TakeRequest{
			Root: h.doc.Root(), From: c.call.ID, CallID: uuid.NewString(), Bound: 1, Accounts: h.accounts(),
		})
		if !errors.Is(err, admission.ErrGone) {
			t.Fatalf("a call took from a broken record: %v", err)
		}
	}
	c.settled, c.cost = true, c.call.Bound
	if err := c.hold.Settle(context.Background(), c.cost, 0, &ledgerv1.Entry{}); err != nil {
		t.Fatal(err)
	}
	for _, b := range h.told[before+1:] { // buckets of calls in flight that were broken before
		if b.Counter != "bucket" || b.Kind != "negative" {
			t.Fatalf("told of %+v, and nothing was broken", b)
		}
	}
	h.planted += len(h.told) - before
	if found := h.told[before:]; len(found) == 0 || found[0].Counter != "call" {
		t.Fatalf("a broken record of a share: told of %+v, want one", found)
	}
}

// accounts are those that shares of the tenant hold in.
func (h *brokenHistory) accounts() []admission.Account {
	checks := []admission.MoneyCheck{{Limit: brokenMoney[0], Field: limiterv1.MoneyField(brokenMoney[0])}}
	return []admission.Account{
		{Tenant: h.doc.Tenant, Money: checks},
		{Tenant: h.doc.Tenant, Owner: limiterv1.Owner{User: "a"}, Money: []admission.MoneyCheck{{Limit: brokenMoney[1], Field: limiterv1.MoneyField(brokenMoney[1])}}},
		{Tenant: h.doc.Root(), Money: checks},
	}
}

func (h *brokenHistory) breakBucket(t *rapid.T) {
	key := rapid.SampledFrom(slices.Sorted(maps.Keys(h.fields()))).Draw(t, "key")
	rates := brokenRates[:2]
	if key == h.userKey() {
		rates = brokenRates[2:]
	}
	field := limiterv1.RateField(rapid.SampledFrom(rates).Draw(t, "bucket of"))
	raw := rapid.SampledFrom([][]byte{
		{}, []byte("garbage"), floats(-1, 0), floats(math.NaN(), 0), floats(1e300, 0), floats(0.5, 0), floats(0, math.Inf(1)),
	}).Draw(t, "bucket")
	h.write(t, key, field, raw)
	h.findsOnce(t, key)
	// It pays back with time: the tenant stays usable.
	if err := h.clock.set(ten.Add(time.Duration(len(h.told)) * time.Minute)); err != nil {
		t.Fatal(err)
	}
}

// findsOnce makes two calls: the first finds what was broken, the other nothing.
func (h *brokenHistory) findsOnce(t *rapid.T, key string) {
	before := len(h.told)
	h.admit(t)
	h.admit(t)
	h.planted++
	if found := h.told[before:]; len(found) != 1 || found[0].Key != key {
		t.Fatalf("told of %+v, want one in %s", found, key)
	}
}

func (h *brokenHistory) check(t *rapid.T) {
	ctx := context.Background()
	counted := 0
	for _, tenant := range []string{h.doc.Tenant, h.doc.Root()} {
		all, err := h.clock.client.HGetAll(ctx, limiterv1.TenantCountersKey(h.doc.Root(), tenant)).Result()
		if err != nil {
			t.Fatal(err)
		}
		for field, value := range all {
			if strings.HasPrefix(field, "broken:") {
				n, err := strconv.Atoi(value)
				if err != nil {
					t.Fatal(err)
				}
				counted += n
			}
		}
	}
	if counted != h.planted || len(h.told) != h.planted {
		t.Fatalf("%d values were broken; %d are counted, %d were told: %+v", h.planted, counted, len(h.told), h.told)
	}
	for key, field := range h.fields() {
		raw, _ := h.clock.client.HGet(ctx, key, field).Bytes()
		for ; len(raw) >= 8; raw = raw[8:] {
			if n := math.Float64frombits(binary.LittleEndian.Uint64(raw)); n < 0 || n != math.Trunc(n) || n > 1<<53 {
				t.Fatalf("%s %s has %v", key, field, n)
			}
		}
	}
}

func floats(numbers ...float64) (raw []byte) {
	for _, n := range numbers {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(n))
	}
	return raw
}

// TestWhatIsBrokenIsCountedAnew: what was broken, and can be counted from the ledger and
// the open calls, is not marked as valid any more, so that the control plane counts it
// anew; all else stays.
func TestWhatIsBrokenIsCountedAnew(t *testing.T) {
	ctx := t.Context()
	year, inFlight := limiterv1.MoneyField(brokenMoney[0]), limiterv1.RateField(brokenRates[1])
	marks := []string{"valid:" + year, "valid:users:" + year, "valid:in-flight"}
	nan := floats(0, 1e12, math.NaN(), 0, 0, 0, 0)
	for name, tc := range map[string]struct {
		// key is where what is broken, "tenant", "parent", "user", or "calls".
		key, field string
		raw        []byte
		// take and settle say how it is found; otherwise another call finds it.
		take, settle bool
		// tenant and parent are the marks that go.
		tenant, parent []string
		unknownUser    bool
	}{
		"an amount of the tenant":             {key: "tenant", field: year, raw: nan, tenant: marks[:1]},
		"an amount of the parent":             {key: "parent", field: year, raw: nan, parent: marks[:1]},
		"an amount of the user":               {key: "user", field: year, raw: nan, tenant: marks[1:2], unknownUser: true},
		"less held than the call":             {key: "tenant", field: year, raw: floats(0, 1e14, 0, 0, 0, 0, 0), settle: true, tenant: marks[:1]},
		"calls in flight of the tenant":       {key: "tenant", field: inFlight, raw: floats(-1, 0), tenant: marks[2:]},
		"calls in flight of the parent":       {key: "parent", field: inFlight, raw: floats(0, math.NaN()), parent: marks[2:]},
		"calls in flight of the user":         {key: "user", field: limiterv1.RateField(brokenRates[3]), raw: []byte("x"), tenant: marks[2:]},
		"fewer in flight than end":            {key: "tenant", field: inFlight, raw: floats(0, 0), settle: true, tenant: marks[2:]},
		"a rate, which is on record nowhere":  {key: "tenant", field: limiterv1.RateField(brokenRates[0]), raw: floats(-1, 0)},
		"the record of a call":                {key: "calls", raw: []byte("H"), settle: true, tenant: marks, parent: []string{marks[0], marks[2]}, unknownUser: true},
		"the record of a call to take from":   {key: "calls", raw: []byte("H"), take: true, tenant: marks[:2], parent: marks[:1], unknownUser: true},
		"nothing, and the call ends":          {key: "tenant", field: "other", raw: []byte("1"), settle: true},
		"nothing, and another takes from one": {key: "tenant", field: "other", raw: []byte("1"), take: true},
	} {
		t.Run(name, func(t *testing.T) {
			client := newClient(t)
			h := &brokenHistory{clock: &stoppedClock{client}, session: uuid.NewString(), doc: brokenTenant()}
			h.store = newStore(client, h.session)
			told := 0
			h.store.OnBroken(func(store.Broken) { told++ })
			h.store.SetEpoch(testEpoch(client))
			tenant, err := admission.NewTenant(h.doc)
			if err == nil {
				err = openTenant(client, h.doc)
			}
			if err != nil {
				t.Fatal(err)
			}
			tenantKey, parentKey := limiterv1.TenantCountersKey(h.doc.Root(), h.doc.Tenant), limiterv1.TenantCountersKey(h.doc.Root(), h.doc.Root())
			for _, key := range []string{tenantKey, parentKey} {
				for _, mark := range marks {
					client.HSet(ctx, key, mark, 1)
				}
			}
			admitter := admission.NewAdmitter(h.store)
			call := func() (string, *admission.Hold) {
				c := admission.Request{ID: uuid.NewString(), Subject: admission.Subject{Tenant: h.doc.Tenant, User: "a"}, Model: "m", Bound: 60}
				d, err := admitter.Admit(ctx, tenant, c)
				if err != nil && !errors.Is(err, admission.ErrSuspended) {
					t.Fatal(err)
				}
				return c.ID, d.Hold
			}
			id, hold := call()
			key := map[string]string{"tenant": tenantKey, "parent": parentKey, "user": h.userKey(), "calls": h.callsKey()}[tc.key]
			if tc.field == "" {
				tc.field = id
			}
			if tc.key != "calls" && len(tc.raw) == 56 && tc.settle {
				raw, _ := client.HGet(ctx, key, tc.field).Bytes()
				binary.LittleEndian.PutUint64(raw[24:], math.Float64bits(59))
				tc.raw = raw
			}
			if err := client.HSet(ctx, key, tc.field, tc.raw).Err(); err != nil {
				t.Fatal(err)
			}
			switch {
			case tc.settle:
				err = hold.Settle(ctx, 1, 0, &ledgerv1.Entry{})
			case tc.take:
				err = h.store.Take(ctx, admission.TakeRequest{Root: h.doc.Root(), From: id, CallID: uuid.NewString(), Bound: 1, Accounts: h.accounts()})
			default:
				call()
			}
			if err != nil && !errors.Is(err, admission.ErrGone) {
				t.Fatal(err)
			}
			if want := len(tc.tenant)+len(tc.parent) > 0 || strings.HasPrefix(name, "a rate"); (told > 0) != want {
				t.Errorf("told of %d, want some: %t", told, want)
			}
			for key, want := range map[string][]string{tenantKey: tc.tenant, parentKey: tc.parent} {
				var gone []string
				for _, mark := range marks {
					if !client.HExists(ctx, key, mark).Val() {
						gone = append(gone, mark)
					}
				}
				if !slices.Equal(gone, want) {
					t.Errorf("%s: no longer valid are %q, want %q", key, gone, want)
				}
			}
			if got := client.HExists(ctx, tenantKey, "unknown:users:"+year+"\x00"+h.userKey()).Val(); got != tc.unknownUser {
				t.Errorf("the user is unknown: %t, want %t", got, tc.unknownUser)
			}
		})
	}
}
