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
		{Name: "p/flight", Per: limiterv1.PerUser, Unit: limiterv1.InFlight, Burst: 1000},
	}
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
		doc := limiterv1.Tenant{Level: limiterv1.Level{Tenant: uuid.NewString(), TimeZone: "UTC", Money: brokenMoney, Rates: brokenRates}}
		if err := openTenant(clock.client, doc); err != nil {
			t.Fatal(err)
		}
		h.doc = doc
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
			"":             h.check,
		})
	})
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
	name := h.doc.Tenant
	return map[string]string{
		limiterv1.TenantCountersKey(name, name):                                limiterv1.MoneyField(brokenMoney[0]),
		limiterv1.UserCountersKey(name, limiterv1.Epoch{Number: 1}, name, "a"): limiterv1.MoneyField(brokenMoney[1]),
	}
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
		// Of start, finish, spent and held; -1 is a time.
		at := rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "number")
		if value == -1 && at == 0 {
			at = 2
		}
		binary.LittleEndian.PutUint64(raw[8*at:], math.Float64bits(value))
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
	h.write(t, limiterv1.CallsKey(limiterv1.Shard(h.doc.Tenant), h.session), c.call.ID, []byte(raw))
	c.settled, c.cost = true, c.call.Bound
	before := len(h.told)
	for range 2 {
		if err := c.hold.Settle(context.Background(), c.cost, 0, &ledgerv1.Entry{}); err != nil {
			t.Fatal(err)
		}
	}
	h.planted++
	if found := h.told[before:]; len(found) != 1 || found[0].Counter != "call" {
		t.Fatalf("a broken record: told of %+v, want one", found)
	}
}

func (h *brokenHistory) breakBucket(t *rapid.T) {
	key, field := limiterv1.TenantCountersKey(h.doc.Tenant, h.doc.Tenant), limiterv1.RateField(brokenRates[0])
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
	name := h.doc.Tenant
	all, err := h.clock.client.HGetAll(ctx, limiterv1.TenantCountersKey(name, name)).Result()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0
	for field, value := range all {
		if strings.HasPrefix(field, "broken:") {
			n, err := strconv.Atoi(value)
			if err != nil {
				t.Fatal(err)
			}
			counted += n
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
