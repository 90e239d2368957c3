package store_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/store"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// TestTogetherAsOneByOne: whatever stands in the counters, calls for which a script is run once
// have the same answers as those for which it is run one by one, and leave the same behind.
func TestTogetherAsOneByOne(t *testing.T) {
	clock := newStoppedClock(t)
	testkit.Must(t, clock.set(ten))
	rapid.Check(t, func(t *rapid.T) {
		w := drawTogetherWorld(t, clock)
		w.drawCounters(t)
		admits := rapid.SliceOfN(rapid.Custom(w.drawAdmission), 2, 8).Draw(t, "admissions")
		w.compare(t, len(admits), func(from, to int) []any { return store.AdmitTogether(admits[from:to]...) })
		settles := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) admission.SettleRequest {
			return w.drawSettlement(t, rapid.SampledFrom(admits).Draw(t, "call").For)
		}), 2, 8).Draw(t, "settlements")
		w.compare(t, len(settles), func(from, to int) []any { return w.store.SettleTogether(settles[from:to]...) })
	})
}

// TestCallsThatShareNoScript: calls of two sessions or shards, or that see an account with other
// limits, have the same answers where they are sent with one write as one by one, and leave the same
// behind.
func TestCallsThatShareNoScript(t *testing.T) {
	clock := newStoppedClock(t)
	testkit.Must(t, clock.set(ten))
	rapid.Check(t, func(t *rapid.T) {
		w := drawTogetherWorld(t, clock)
		w.drawCounters(t)
		other := *w
		field := togetherMoney
		switch rapid.SampledFrom([]string{"session", "shard", "numbers of limits", "limit"}).Draw(t, "another") {
		case "session":
			other.session = uuid.NewString()
			other.store = w.store.Next(other.session)
		case "shard":
			for limiterv1.Shard(other.tenant) == limiterv1.Shard(w.tenant) {
				other.tenant = uuid.NewString()
			}
			other.drawCounters(t)
		case "numbers of limits":
			other.waived = !w.waived
		case "limit":
			field = "money:Day"
		}
		w.beside = &other
		calls := []store.Asking{w.drawAdmission(t), other.drawAdmission(t)}
		calls[1].For.Accounts[0].Money[0].Field = field
		w.compare(t, len(calls), func(from, to int) []any { return store.AdmitTogether(calls[from:to]...) })
	})
}

// TestFencedSessionsChangeNothing: whatever a session asks for that was declared dead is refused, and
// changes nothing.
func TestFencedSessionsChangeNothing(t *testing.T) {
	clock := newStoppedClock(t)
	testkit.Must(t, clock.set(ten))
	rapid.Check(t, func(t *rapid.T) {
		w := drawTogetherWorld(t, clock)
		w.drawCounters(t)
		calls := rapid.SliceOfN(rapid.Custom(w.drawAdmission), 2, 4).Draw(t, "admissions")
		store.AdmitTogether(calls[0])
		testkit.Must(t, w.client.HSet(t.Context(), limiterv1.CallsKey(limiterv1.Shard(w.tenant), w.session), limiterv1.FencedField, 1).Err())
		before := w.dump(t)
		for _, answer := range store.AdmitTogether(calls...) {
			if text, _ := answer.(string); !strings.HasPrefix(text, "fenced\x00") {
				t.Errorf("an admission is %q", answer)
			}
		}
		for _, answer := range w.store.SettleTogether(w.drawSettlement(t, calls[0].For), w.drawSettlement(t, calls[1].For)) {
			if answer != "fenced" {
				t.Errorf("a settlement is %v", answer)
			}
		}
		err := w.store.Take(t.Context(), admission.TakeRequest{Root: w.tenant, From: calls[0].For.CallID, CallID: "another", Accounts: calls[0].For.Accounts})
		if !errors.Is(err, admission.ErrFenced) {
			t.Errorf("to take from a call: %v", err)
		}
		if left := w.dump(t); !reflect.DeepEqual(left, before) {
			t.Errorf("it leaves\n%q, want\n%q", left, before)
		}
	})
}

// togetherWorld is a tenant with two users, and its counters.
type togetherWorld struct {
	client          *redis.Client
	store           *store.Store
	session, tenant string
	// waived is whether all limits are: calls that see the same limits otherwise are for another run.
	waived bool
	// beside is another that calls are compared with, if any.
	beside *togetherWorld
}

func drawTogetherWorld(t *rapid.T, clock *stoppedClock) *togetherWorld {
	clock.begin(t)
	w := &togetherWorld{client: clock.client, session: uuid.NewString(), tenant: uuid.NewString(), waived: rapid.Bool().Draw(t, "waived")}
	w.store = store.NewWithClock(clock.client, w.session, clock.luaSource())
	w.store.SetEpoch(testEpoch(clock.client))
	testkit.Must(t, w.store.Load(t.Context()))
	return w
}

var hourFromTen = period.Span{Start: ten.Truncate(time.Hour), End: ten.Truncate(time.Hour).Add(time.Hour)}

const (
	togetherMoney = "money:Hour"
	togetherRate  = "rate:p/rate@1000"
	inFlightField = "rate:p/flight@0"
)

func (w *togetherWorld) key(owner limiterv1.Owner) string {
	return limiterv1.CountersKey(w.tenant, limiterv1.Epoch{Number: 1}, w.tenant, owner)
}

func (w *togetherWorld) keys() []string {
	keys := []string{
		w.key(limiterv1.Owner{}), w.key(limiterv1.Owner{User: "a"}), w.key(limiterv1.Owner{User: "b"}),
		limiterv1.CallsKey(limiterv1.Shard(w.tenant), w.session), limiterv1.ClockKey(limiterv1.Shard(w.tenant)),
	}
	if w.beside != nil {
		keys = append(keys, w.beside.keys()...)
	}
	return keys
}

func packed(numbers ...int64) []byte {
	var raw []byte
	for _, n := range numbers {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(float64(n)))
	}
	return raw
}

// drawCounters sets counters of now, of the hour before or of one to come, and broken ones.
func (w *togetherWorld) drawCounters(t *rapid.T) {
	hour := time.Hour.Milliseconds()
	start := hourFromTen.Start.UnixMilli()
	amount := rapid.Int64Range(0, 60)
	drawMoney := func() []byte {
		switch kind := rapid.IntRange(0, 9).Draw(t, "counter"); kind {
		case 0:
			return []byte("broken")
		case 1:
			return packed(start, start+hour, -5, 10, 0, 0, 0)
		default:
			first := start + hour*int64(kind%3-1) // of the hour before, of this one, of the next
			return packed(first, first+hour, amount.Draw(t, "spent"), amount.Draw(t, "held"), first-hour, amount.Draw(t, "before"), 0)
		}
	}
	drawBucket := func() []byte {
		if rapid.IntRange(0, 9).Draw(t, "bucket") == 0 {
			return []byte("broken")
		}
		return packed(amount.Draw(t, "debt")*100, ten.UnixMilli()-amount.Draw(t, "since"))
	}
	testkit.Must(t, w.client.Del(t.Context(), w.keys()...).Err())
	epoch := rapid.SampledFrom([]string{"1", "1", "1", "1", "1", "1", "0", "2", "closed:1:x"}).Draw(t, "epoch")
	testkit.Must(t, w.client.HSet(t.Context(), w.key(limiterv1.Owner{}), "epoch", epoch, "seq", packed(7), "valid:"+togetherMoney, 1,
		togetherMoney, drawMoney(), togetherRate, drawBucket(), inFlightField, packed(0, ten.UnixMilli())).Err())
	if rapid.Bool().Draw(t, "knows the user") {
		testkit.Must(t, w.client.HSet(t.Context(), w.key(limiterv1.Owner{User: "a"}), togetherMoney, drawMoney(), togetherRate, drawBucket()).Err())
	}
}

// accounts are those of a call of a user.
func (w *togetherWorld) accounts(user string, need int64) []admission.Account {
	account := func(owner limiterv1.Owner) admission.Account {
		limit := limiterv1.RateLimit{Name: "p/rate", Unit: limiterv1.Requests, Count: 5, Burst: 5, Window: 1000}
		return admission.Account{
			Tenant: w.tenant, Owner: owner,
			Money: []admission.MoneyCheck{{
				Limit: limiterv1.MoneyLimit{Name: "hourly", Amount: 100}, Field: togetherMoney, Trip: 90, Downgrade: admission.Never,
				Rungs: []money.Nanos{50, 90}, Span: hourFromTen, Stretch: hourFromTen, MostHeld: admission.Never, Waived: w.waived,
			}},
			Buckets: []admission.BucketCheck{{Limit: limit, Field: togetherRate, Need: need, Waived: w.waived}},
		}
	}
	accounts := []admission.Account{account(limiterv1.Owner{}), account(limiterv1.Owner{User: user})}
	accounts[0].Buckets = append(accounts[0].Buckets, admission.BucketCheck{
		Limit: limiterv1.RateLimit{Name: "p/flight", Unit: limiterv1.InFlight, Burst: 3}, Field: inFlightField, Need: 1, Waived: w.waived,
	})
	return accounts
}

func (w *togetherWorld) drawAdmission(t *rapid.T) store.Asking {
	r := admission.AdmitRequest{
		Root: w.tenant, CallID: fmt.Sprint("call ", rapid.IntRange(1, 6).Draw(t, "id")), Record: []byte("record"),
		Bound: money.Nanos(rapid.Int64Range(0, 40).Draw(t, "bound")), OwnersUntil: hourFromTen.End,
		Accounts: w.accounts(rapid.SampledFrom([]string{"a", "b"}).Draw(t, "user"), rapid.Int64Range(0, 2).Draw(t, "need")),
	}
	if rapid.IntRange(0, 3).Draw(t, "asks again") == 0 {
		r.NotBefore = ten.Add(rapid.SampledFrom([]time.Duration{-time.Minute, time.Second, 40 * time.Second, 90 * time.Minute}).Draw(t, "later"))
	}
	return store.Asking{By: w.store, For: r}
}

// drawSettlement is the end of a call, which may have been admitted or not, or have ended before.
func (w *togetherWorld) drawSettlement(t *rapid.T, of admission.AdmitRequest) admission.SettleRequest {
	r := admission.SettleRequest{
		Root: w.tenant, CallID: of.CallID, Cost: money.Nanos(rapid.Int64Range(0, 50).Draw(t, "cost")), Accounts: of.Accounts,
		AdmittedAt: ten.Add(-time.Duration(rapid.IntRange(0, 90).Draw(t, "minutes")) * time.Minute),
	}
	if rapid.Bool().Draw(t, "has an entry") {
		r.Entry = []byte("entry")
	}
	return r
}

// compare does something for n calls, first one by one, then, from where that began, together, and
// goes on from there.
func (w *togetherWorld) compare(t *rapid.T, n int, do func(from, to int) []any) {
	before := w.dump(t)
	var want []any
	for i := range n {
		want = append(want, do(i, i+1)...)
	}
	left := w.dump(t)
	w.restore(t, before)
	if got := do(0, n); !reflect.DeepEqual(got, want) {
		t.Fatalf("together, calls are answered\n%q, want\n%q", got, want)
	}
	if got := w.dump(t); !reflect.DeepEqual(got, left) {
		t.Fatalf("together, calls leave\n%q, want\n%q", got, left)
	}
}

// kept is what stands in a key.
type kept struct {
	Hash   map[string]string
	Text   string
	Expiry time.Duration
}

func (w *togetherWorld) dump(t *rapid.T) map[string]kept {
	all := map[string]kept{}
	for _, key := range w.keys() {
		k := kept{Expiry: w.client.PExpireTime(t.Context(), key).Val()}
		if w.client.Type(t.Context(), key).Val() == "string" {
			k.Text = w.client.Get(t.Context(), key).Val()
		} else {
			k.Hash = w.client.HGetAll(t.Context(), key).Val()
		}
		all[key] = k
	}
	return all
}

func (w *togetherWorld) restore(t *rapid.T, all map[string]kept) {
	for key, k := range all {
		testkit.Must(t, w.client.Del(t.Context(), key).Err())
		if k.Text != "" {
			testkit.Must(t, w.client.Set(t.Context(), key, k.Text, 0).Err())
		}
		if len(k.Hash) > 0 {
			testkit.Must(t, w.client.HSet(t.Context(), key, k.Hash).Err())
		}
		if k.Expiry > 0 {
			testkit.Must(t, w.client.PExpireAt(t.Context(), key, time.UnixMilli(k.Expiry.Milliseconds())).Err())
		}
	}
}
