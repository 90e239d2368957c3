package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/history"
)

const (
	// longestRefill is the longest time to refill of a bucket of which it is told what is left.
	longestRefill = time.Hour
	// mostRecent is how many calls are looked at for that.
	mostRecent = 1000
)

// tellLeft says how many requests are left of limits of requests per user, by the calls that have
// ended: the limiter is not asked.
func (a *api) tellLeft(ctx context.Context, v view, user string, limits []RateLimit) error {
	buckets := map[int]limiterv1.Bucket{}
	var longest time.Duration
	for i, limit := range limits {
		bucket, ok := bucketOf(limit)
		if refill := bucket.FullIn(bucket.Capacity()); ok && refill <= longestRefill {
			buckets[i], longest = bucket, max(longest, refill)
		}
	}
	if len(buckets) == 0 {
		return nil
	}
	now := a.Now()
	recent, err := a.Ledger.ListCalls(ctx, v.as, history.ListQuery{
		From: now.Add(-longest), To: now.Add(time.Second), Where: history.Filter{Users: []string{user}}, Limit: mostRecent,
	})
	if err != nil {
		return err
	}
	for i, bucket := range buckets {
		left := bucket.Remaining(debtOf(bucket, limits[i].Models, recent.Calls, now))
		limits[i].Left = &left
	}
	return nil
}

// bucketOf is the bucket of a limit of requests per user.
func bucketOf(limit RateLimit) (limiterv1.Bucket, bool) {
	window, err := time.ParseDuration(limit.Window)
	if err != nil || limit.Unit != string(limiterv1.Requests) || limit.Per != string(limiterv1.PerUser) {
		return limiterv1.Bucket{}, false
	}
	return limiterv1.RateLimit{
		Count: limit.Amount, Burst: cmp.Or(limit.Burst, limit.Amount), Window: limiterv1.Duration(window.Milliseconds()),
	}.Bucket(), true
}

// debtOf is the debt of a bucket after calls, which are the newest first.
func debtOf(bucket limiterv1.Bucket, models []string, calls []history.Call, now time.Time) (debt int64) {
	var at time.Time
	for _, call := range slices.Backward(calls) {
		if len(models) > 0 && !slices.Contains(models, call.Model) {
			continue
		}
		debt = bucket.After(debt, max(0, call.At.Sub(at))) + bucket.Points(1)
		at = call.At
	}
	return bucket.After(debt, max(0, now.Sub(at)))
}
