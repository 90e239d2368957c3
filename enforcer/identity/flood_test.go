package identity_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/bursar-dev/bursar/enforcer/identity"
	"github.com/bursar-dev/bursar/enforcer/protocol"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// unknownKeys are requests with tokens that each name a key which there is not.
func unknownKeys(t testing.TB, project *issuer.StackAuth, n int) (requests []identity.Request) {
	t.Helper()
	own, err := issuer.NewKey("own", jose.ES256)
	testkit.Must(t, err)
	claims := project.Claims(issuer.Regular, "ana", "ana@example.com", time.Now())
	for i := range n {
		own.ID = fmt.Sprint("made-up-", i)
		requests = append(requests, request(own.Sign(claims)))
	}
	return requests
}

func request(token string) identity.Request {
	return identity.Request{Protocol: protocol.OpenAI{}, Header: http.Header{"Authorization": {"Bearer " + token}}}
}

// BenchmarkUnknownKeys measures how long it takes to identify a caller whose token is
// remembered, and one whose token is new, alone and beside 10,000 tokens a second with unknown
// keys.
func BenchmarkUnknownKeys(b *testing.B) {
	for _, perSecond := range []int{0, 10_000} {
		for _, isNew := range []bool{false, true} {
			name := map[bool]string{false: "remembered", true: "new"}[isNew]
			b.Run(fmt.Sprintf("%s token beside %d a second", name, perSecond), func(b *testing.B) {
				o := newOffice(b)
				stop := o.flood(perSecond)
				tokens := []string{o.token("ana")}
				for i := 0; isNew && i < b.N; i++ {
					tokens = append(tokens, o.project.Token(issuer.Regular, "ana", "ana@example.com", o.now, map[string]any{"n": i}))
				}
				took := make([]time.Duration, 0, b.N)
				b.ResetTimer()
				for i := range b.N {
					r := request(tokens[min(i, len(tokens)-1)])
					begin := time.Now()
					if _, err := o.Identify(b.Context(), r); err != nil {
						b.Fatal(err)
					}
					took = append(took, time.Since(begin))
					time.Sleep(time.Millisecond) // calls come one by one
				}
				b.StopTimer()
				sent := stop()
				slices.Sort(took)
				b.ReportMetric(float64(took[len(took)/2].Nanoseconds())/1000, "p50-us")
				b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds())/1000, "p99-us")
				b.ReportMetric(sent, "unknown/s")
				b.ReportMetric(float64(o.wanted.Load()), "fetches")
				b.ReportMetric(0, "ns/op") // the pause is in it
			})
		}
	}
}

// BenchmarkUnknownKey measures what it takes to refuse a token whose key is unknown.
func BenchmarkUnknownKey(b *testing.B) {
	o := newOffice(b)
	requests := unknownKeys(b, o.project, 1024)
	ctx, cancel := context.WithCancel(b.Context())
	cancel() // nobody waits for the keys
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := o.Identify(ctx, requests[i%len(requests)]); err == nil {
			b.Fatal("it is accepted")
		}
	}
}

// flood sends tokens with unknown keys until stop, which returns how many a second were sent.
func (o *office) flood(perSecond int) (stop func() float64) {
	const every = 5 * time.Millisecond
	requests := unknownKeys(o.t, o.project, min(perSecond, 4096))
	ctx, cancel := context.WithCancel(context.Background())
	begin, sent := time.Now(), 0
	var callers sync.WaitGroup
	callers.Go(func() {
		for ctx.Err() == nil && perSecond > 0 {
			for due := int(time.Since(begin).Seconds() * float64(perSecond)); sent < due; sent++ {
				r := requests[sent%len(requests)]
				callers.Go(func() { _, _ = o.Identify(ctx, r) })
			}
			time.Sleep(every)
		}
	})
	return func() float64 {
		seconds := time.Since(begin).Seconds()
		cancel()
		callers.Wait()
		return float64(sent) / seconds
	}
}
