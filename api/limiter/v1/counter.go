package limiterv1

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
)

// MoneyField is the field of a counters hash that counts the money of a limit. It
// depends on what the limit counts, but not on its name or its amount, so that renaming
// or raising a limit forgets nothing.
func MoneyField(limit MoneyLimit) string {
	return "money:" + string(limit.Period) + limit.selectorField()
}

// RateField is the field of a counters hash that is a rate limit's bucket. The
// window is part of it, because a bucket's debt is measured in units of it: a
// limit that gets another window starts with a full bucket.
func RateField(limit RateLimit) string {
	return "rate:" + limit.Name + "@" + strconv.FormatInt(limit.Window.Milliseconds(), 10)
}

// selectorField is what a selector adds to the field of its limit: nothing, if it selects
// everything.
func (s Selector) selectorField() string {
	var field strings.Builder
	for _, part := range []struct {
		name   string
		values []string
	}{{"tiers", s.Tiers}, {"models", s.Models}, {"groups", escaped(s.Groups)}, {"labels", labels(s.Labels)}} {
		if len(part.values) > 0 {
			sorted := slices.Sorted(slices.Values(part.values))
			field.WriteString(";" + part.name + "=" + strings.Join(sorted, ","))
		}
	}
	return field.String()
}

// escaped are names, which may have any character, with the separators of a field escaped.
func escaped(names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = url.QueryEscape(name)
	}
	return all
}

// labels are labels as they stand in a field: "name=value".
func labels(of map[string]string) []string {
	all := make([]string, 0, len(of))
	for name, value := range of {
		all = append(all, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	return all
}

// MoneyCounter counts the money of the newest period it has seen, and of the one
// before it, in which calls may still be open.
//
// In Redis it is seven little-endian IEEE 754 doubles, in the order of the fields
// here: times in milliseconds since the Unix epoch, money in nano-USD.
type MoneyCounter struct {
	// Start and End are the bounds of the newest period: Start is in it, End is not.
	Start, End  time.Time
	Spent, Held money.Nanos
	// Earlier is the period that ended at or before Start.
	EarlierStart              time.Time
	EarlierSpent, EarlierHeld money.Nanos
}

const moneyCounterSize = 7 * 8

// DecodeMoneyCounter reads a counter as it stands in Redis.
func DecodeMoneyCounter(raw []byte) (MoneyCounter, error) {
	if len(raw) != moneyCounterSize {
		return MoneyCounter{}, fmt.Errorf("money counter of %d bytes, want %d", len(raw), moneyCounterSize)
	}
	number := func(i int) int64 {
		return int64(math.Float64frombits(binary.LittleEndian.Uint64(raw[i*8:])))
	}
	return MoneyCounter{
		Start: time.UnixMilli(number(0)).UTC(),
		End:   time.UnixMilli(number(1)).UTC(),
		Spent: money.Nanos(number(2)),
		Held:  money.Nanos(number(3)),

		EarlierStart: time.UnixMilli(number(4)).UTC(),
		EarlierSpent: money.Nanos(number(5)),
		EarlierHeld:  money.Nanos(number(6)),
	}, nil
}

// Encode is the counter as it stands in Redis.
func (c MoneyCounter) Encode() []byte {
	raw := make([]byte, 0, moneyCounterSize)
	for _, n := range []int64{
		c.Start.UnixMilli(), c.End.UnixMilli(), int64(c.Spent), int64(c.Held),
		c.EarlierStart.UnixMilli(), int64(c.EarlierSpent), int64(c.EarlierHeld),
	} {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(float64(n)))
	}
	return raw
}

// In is what was spent and is held in the period that now lies in, by the rule with
// which enforcers turn counters: if the newest period of the counter had not ended when
// this one began, that period goes on. Its bounds differ if the tenant has moved to
// another time zone.
func (c MoneyCounter) In(span period.Span) (spent, held money.Nanos) {
	if span.Start.Before(c.End) {
		return c.Spent, c.Held
	}
	return 0, 0
}

// EncodeBucket is a bucket that lacks so many points at a time, as it is stored in
// Redis: two little-endian doubles. A bucket of calls in flight lacks a point for each
// call.
func EncodeBucket(debt int64, at time.Time) []byte {
	raw := make([]byte, 0, 2*8)
	for _, n := range []int64{debt, at.UnixMilli()} {
		raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(float64(n)))
	}
	return raw
}
