package proxy_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/enforcer/call"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// tally is what calls were charged, and billed.
type tally struct{ charged, billed money.Nanos }

func tallyOf(tallies map[string]*tally, name string) *tally {
	if tallies[name] == nil {
		tallies[name] = &tally{}
	}
	return tallies[name]
}

func (s *tally) add(charged, billed money.Nanos) {
	s.charged, s.billed = s.charged+charged, s.billed+billed
}

func (s *tally) ratio() float64 { return float64(s.charged) / float64(s.billed) }

func (s *tally) String() string {
	return fmt.Sprintf("charged %s for a bill of %s, %.3f times as much", s.charged, s.billed, s.ratio())
}

// TestBillAgainstHold: of random calls, none costs the provider's customer more than
// was held for it, except where the provider went beyond the bound, which is posted
// as overrun. BURSAR_CALLS says how many.
func TestBillAgainstHold(t *testing.T) {
	t.Parallel()
	calls, err := strconv.Atoi(cmp.Or(os.Getenv("BURSAR_CALLS"), "1000"))
	if err != nil {
		t.Fatal(err)
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	fake := fakeprovider.New(fakeprovider.Options{})
	d := newProtocolsDoor(t, fake.ServeHTTP)
	const workers = 4
	var all sync.WaitGroup
	var beyond sync.Map // the calls in which the provider goes beyond the bound
	for w := range workers {
		random := rand.New(rand.NewPCG(seed, uint64(w)))
		all.Go(func() {
			for range calls / workers {
				p := protocols[random.IntN(len(protocols))]
				prompt := randomPrompt(random, p)
				got := d.do(d.ask(t.Context(), p, prompt, 1+random.IntN(60), !p.neverStreams && random.IntN(2) == 0))
				if strings.Contains(prompt, "overrun") {
					beyond.Store(got.header.Get(call.CallIDHeader), true)
				}
				if got.status != http.StatusOK || got.err != nil {
					t.Errorf("%s: %d %s %v", p.name, got.status, got.body, got.err)
				}
			}
		})
	}
	all.Wait()
	testkit.Eventually(t, "all calls are settled", func() bool { return len(d.ledger.all()) == calls/workers*workers })
	billed := map[string]fakeprovider.BilledCall{}
	for _, call := range fake.Bill().Calls {
		billed[call.ID] = call
	}
	overruns := 0
	for _, entry := range d.ledger.all() {
		call := billed[entry.CallID]
		cost := money.Nanos(call.CostNanos)
		if entry.Outcome != ledgerv1.Settled || entry.Cost != cost || entry.Overrun() != max(0, cost-entry.Held) {
			t.Errorf("ledger %+v, bill %+v", entry, call)
		}
		if entry.Overrun() > 0 {
			overruns++
			if _, ok := beyond.Load(entry.CallID); !ok {
				t.Errorf("within its bounds, a call cost more than its hold: ledger %+v, bill %+v", entry, call)
			}
		}
	}
	t.Logf("%d calls, %d of them overruns, %d not on the bill", len(d.ledger.all()), overruns, len(d.ledger.all())-len(billed))
}

// randomPrompt is a text of any alphabet, with what the fake is to make of it.
func randomPrompt(random *rand.Rand, p api) string {
	var text strings.Builder
	alphabets := []string{"abc def ", "ñandú 你好 ", "🙂🙃 ", "\"\\\n\t ", "\x01\x7f "}
	for range random.IntN(40) {
		text.WriteString(alphabets[random.IntN(len(alphabets))])
	}
	n := 1 + random.IntN(1+len(text.String()))
	fmt.Fprintf(&text, "[[output=%d input=%d cached=%d", 1+random.IntN(60), n, random.IntN(1+n))
	if len(p.more) > 0 && random.IntN(2) == 0 {
		text.WriteString(" " + p.more[random.IntN(len(p.more))])
	}
	if random.IntN(20) == 0 && !p.neverStreams {
		fmt.Fprintf(&text, " overrun=%d", 100+random.IntN(2000))
	}
	if random.IntN(4) == 0 {
		fmt.Fprintf(&text, " split=%d crlf", 1+random.IntN(20))
	}
	return text.String() + "]]"
}
