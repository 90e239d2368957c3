package e2e

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	goredis "github.com/redis/go-redis/v9"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/hack/parts/relay"
	"github.com/bursar-dev/bursar/hack/testkit"
)

const (
	// soakVariable is how long `make soak` runs; without it, two faults are tried.
	soakVariable = "BURSAR_SOAK"
	// onlyVariable is a regular expression: only faults whose names match strike.
	onlyVariable = "BURSAR_SOAK_ONLY"
)

const (
	// faultsARound is how many faults there are until everything comes to rest.
	faultsARound = 12
	// recoversWithin is how long calls may not be admitted after a fault.
	recoversWithin = time.Minute
	// restsWithin is how long the books may take to agree when there are no more calls.
	restsWithin = 2 * time.Minute
)

// soak is a long time of calls, in which one thing after another fails. Every now and then
// it comes to rest, and the books are compared.
type soak struct {
	*testing.T
	seed   uint64
	chance *rand.Rand
	api    client.Client
	redis  *goredis.Client
	pool   *pgxpool.Pool
	// provider is the way to the provider.
	provider *relay.Relay
	slots    []*slot
	tally    *tally
	books    *books
	history  *history
	table    *faultTable
	// managers counts those that were started, and struck the faults.
	managers, struck int
	// mostAhead is how far ahead of this machine's the clock of Redis has been.
	mostAhead time.Duration
	// parent is the one of the child.
	parent string
	// alone is whether no other test runs on the stack.
	alone bool
}

// TestSoak: whatever fails, and in whatever order, the ledger is the provider's bill, the
// counters are the ledger, and no limit is exceeded.
func TestSoak(t *testing.T) {
	s := newSoak(t)
	if !s.alone {
		s.round(2, (fault).isQuick)
	} else {
		length, err := time.ParseDuration(os.Getenv(soakVariable))
		testkit.Must(t, err)
		only, err := regexp.Compile(os.Getenv(onlyVariable))
		testkit.Must(t, err)
		for until := time.Now().Add(length); time.Now().Before(until); {
			s.round(faultsARound, func(f fault) bool { return only.MatchString(f.name) })
			t.Logf("after %s:\n%s\n%s", time.Since(s.history.begun).Round(time.Second), s.table, s.books)
		}
	}
	t.Logf("BURSAR_SEED=%d:\n%s\n%s", s.seed, s.table, s.books)
}

func newSoak(t *testing.T) *soak {
	seed, err := strconv.ParseUint(cmp.Or(os.Getenv("BURSAR_SEED"), strconv.FormatUint(rand.Uint64(), 10)), 10, 64)
	testkit.Must(t, err)
	t.Logf("BURSAR_SEED=%d", seed)
	s := &soak{
		T: t, seed: seed, chance: rand.New(rand.NewPCG(seed, 0)), api: apiClient(t), redis: redisClient(t), parent: soakParents[0], alone: os.Getenv(soakVariable) != "",
		history: &history{begun: time.Now()}, table: newFaultTable(), tally: newTally(),
	}
	s.books = newBooks(s)
	s.pool, err = pgxpool.New(t.Context(), bursar.DatabaseURL)
	testkit.Must(t, err)
	t.Cleanup(s.pool.Close)
	var endpoint string
	s.provider, endpoint, err = relay.StartTo(bursar.ProviderURL)
	testkit.Must(t, err)
	t.Cleanup(func() { _ = s.provider.Stop() })
	testkit.Must(t, bursar.Apply(t.Context(), fmt.Sprintf(soakProvider, endpoint)))
	testkit.Must(t, s.applyTenants())
	for i := range 3 {
		s.slots = append(s.slots, &slot{number: i})
		testkit.Must(t, s.fill(t.Context(), s.slots[i]))
	}
	testkit.Must(t, s.startManager(t.Context()))
	programmed(t)
	return s
}

// round has some faults, one after another, while calls are made, and compares the books
// when all have ended.
func (s *soak) round(faults int, which func(fault) bool) {
	traffic := s.startTraffic()
	testkit.Within(s.T, recoversWithin, "calls are admitted", func() bool { return s.tally.allAdmitted(s.slots) })
	for range faults {
		s.strike(which)
		s.pause(time.Second, 5*time.Second)
	}
	traffic.end()
	s.rest()
	if s.Failed() {
		s.Logf("until then:\n%s\n%s", s.table, s.books)
		s.FailNow()
	}
}

// possible are the faults that are asked for and can strike: the clock of Redis is its own
// only if the soak has the stack for itself.
func (s *soak) possible(which func(fault) bool) []fault {
	all := allFaults()
	if s.alone {
		all = append(all, clockFaults()...)
	}
	return slices.DeleteFunc(all, func(f fault) bool { return !which(f) })
}

// pause waits for a random time: when a fault strikes is what is tried.
func (s *soak) pause(least, most time.Duration) {
	time.Sleep(least + time.Duration(s.chance.Int64N(int64(most-least))))
}

// strike has one fault, or two at once, and waits until calls are admitted everywhere.
func (s *soak) strike(which func(fault) bool) {
	s.struck++
	faults := choose(s.chance, s.possible(which), s.alone)
	name := nameOf(faults)
	s.Logf("%s fault %d: %s", time.Now().UTC().Format("15:04:05.000"), s.struck, name)
	failures := make(chan error, len(faults))
	for i, f := range faults {
		at := &struck{soak: s, Context: s.Context(), chance: rand.New(rand.NewPCG(s.seed, uint64(10*s.struck+i)))}
		go func() {
			at.pause(0, time.Duration(i)*2*time.Second)
			failures <- f.strike(at)
		}()
	}
	for range faults {
		testkit.Must(s.T, <-failures)
	}
	s.tally.lose()
	testkit.Within(s.T, recoversWithin, name+": calls are admitted by every enforcer again", func() bool { return s.tally.allAdmitted(s.slots) })
	first, last := s.tally.recovered()
	s.table.add(name, first, last)
	s.Logf("%s fault %d is over: admitted after %s, everywhere after %s", time.Now().UTC().Format("15:04:05.000"), s.struck, first, last)
}
