package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"time"
)

// fault is something that fails, and is mended again.
type fault struct {
	name string
	// touches has a letter for each part on which the fault, and what is promised about it,
	// depends: (r)edis, (p)ostgres, the (a)PI server, (m)anagers, (e)nforcers, the
	// pro(v)ider, (o)bjects. Two faults that share no part may strike at the same time.
	touches string
	// quick is whether it is over soon, and leaves nothing that takes long.
	quick  bool
	strike func(*struck) error
}

func (f fault) isQuick() bool { return f.quick }

// struck is one fault that strikes.
type struck struct {
	*soak
	context.Context
	chance *rand.Rand
}

// pause waits for a random time.
func (s *struck) pause(least, most time.Duration) {
	if most > least {
		time.Sleep(least + time.Duration(s.chance.Int64N(int64(most-least))))
	}
}

// between is a random length.
func (s *struck) between(least, most time.Duration) time.Duration {
	return least + time.Duration(s.chance.Int64N(int64(most-least)))
}

func (s *struck) slot() *slot { return s.slots[s.chance.IntN(len(s.slots))] }

// choose chooses a fault of all, and often a second that strikes at the same time, if two may.
func choose(chance *rand.Rand, all []fault, two bool) (chosen []fault) {
	chosen = []fault{all[chance.IntN(len(all))]}
	others := slices.DeleteFunc(slices.Clone(all), func(f fault) bool { return strings.ContainsAny(f.touches, chosen[0].touches) })
	if two && len(others) > 0 && chance.IntN(3) == 0 {
		chosen = append(chosen, others[chance.IntN(len(others))])
	}
	return chosen
}

func nameOf(faults []fault) string {
	names := make([]string, len(faults))
	for i, f := range faults {
		names[i] = f.name
	}
	return strings.Join(names, " + ")
}

func allFaults() []fault {
	return slices.Concat(redisFaults(), enforcerFaults(), storeFaults(), managerFaults(), twoAtOnce(), outsideFaults(), objectFaults(), vanishFaults())
}

func enforcerFaults() []fault {
	const away, long = time.Second, 12 * time.Second
	return []fault{
		{"an enforcer is killed", "e", true, func(s *struck) error { return s.kill(s.slot()) }},
		{"an enforcer is asked to end", "e", false, func(s *struck) error { return s.end(s.slot()) }},
		{"an enforcer sleeps", "e", false, func(s *struck) error { return s.sleeps(s.slot().serving(), s.between(away, long)) }},
		{"an enforcer cannot reach Redis", "e", false, func(s *struck) error {
			at := s.slot().serving()
			at.Redis.Cut()
			s.pause(away, long)
			at.Redis.Mend()
			return nil
		}},
		{"an enforcer cannot reach Postgres", "e", true, func(s *struck) error {
			at := s.slot().serving()
			defer s.history.outage(time.Now())
			at.Postgres.Cut()
			s.pause(away, long/2)
			at.Postgres.Mend()
			return nil
		}},
		{"an enforcer can reach neither store", "erp", false, func(s *struck) error {
			at := s.slot().serving()
			defer s.history.outage(time.Now())
			at.Redis.Cut()
			at.Postgres.Cut()
			s.pause(away, long)
			at.Redis.Mend()
			s.pause(0, 2*time.Second)
			at.Postgres.Mend()
			return nil
		}},
	}
}

// kill kills an enforcer, and starts another in its place.
func (s *struck) kill(at *slot) error {
	serving := at.serving()
	s.history.kill(serving)
	serving.Kill()
	return s.fill(s, at)
}

// end asks an enforcer to end, which it does when its calls have ended, and starts another.
func (s *struck) end(at *slot) error {
	serving := at.serving()
	if err := serving.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := s.awaitEnd(serving); err != nil {
		return err
	}
	return s.fill(s, at)
}

func (s *struck) awaitEnd(l *life) error {
	select {
	case <-l.Done():
		return nil
	case <-time.After(time.Minute):
		return errors.New("the enforcer did not end within a minute of SIGTERM")
	}
}

// sleeps puts an enforcer to sleep. If Redis is lost meanwhile, what it has open, and what
// is left of its shares, may be spent by others.
func (s *struck) sleeps(l *life, length time.Duration) error {
	open, from := s.tally.openAt(l), time.Now()
	err := stopFor(l, length)
	s.history.alone(from, open)
	return err
}

func storeFaults() []fault {
	return []fault{
		{"Postgres crashes", "p", false, func(s *struck) error {
			defer s.history.outage(time.Now())
			if err := bursar.CrashPostgres(); err != nil {
				return err
			}
			s.pause(0, 10*time.Second)
			return startAgain(s, bursar.StartPostgres)
		}},
		{"connections to Postgres are ended", "p", true, func(s *struck) error {
			_, err := s.pool.Exec(s, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`)
			return err
		}},
		{"the API server hangs", "amo", false, func(s *struck) error { return s.withoutAPI(s.between(time.Second, 15*time.Second)) }},
	}
}

func (s *struck) withoutAPI(length time.Duration) error {
	if err := bursar.PauseAPIServer(); err != nil {
		return err
	}
	time.Sleep(length)
	return bursar.ResumeAPIServer()
}

// startAgain starts a server where it was, whose port another program may have for a moment.
func startAgain(ctx context.Context, start func(context.Context) error) (err error) {
	for range 20 {
		if err = start(ctx); err == nil {
			return nil
		}
		sleep(ctx, 500*time.Millisecond)
	}
	return err
}

func managerFaults() []fault {
	return []fault{
		{"the leading manager is killed", "m", false, func(s *struck) error {
			leading(s).Kill()
			return s.startManager(s)
		}},
		{"the leading manager is asked to end", "m", false, func(s *struck) error {
			if err := leading(s).Stop(); err != nil {
				return err
			}
			return s.startManager(s)
		}},
		{"the leading manager sleeps", "m", false, func(s *struck) error {
			return stopFor(leading(s).Process(), s.between(time.Second, 15*time.Second))
		}},
		{"there is no manager", "m", false, func(s *struck) error {
			for _, manager := range runningManagers() {
				manager.Kill()
			}
			s.pause(time.Second, 10*time.Second)
			return errors.Join(s.startManager(s), s.startManager(s))
		}},
	}
}

func outsideFaults() []fault {
	return []fault{
		{"the provider closes idle connections", "v", true, func(s *struck) error {
			for range 200 {
				bursar.Provider.CloseIdle()
				time.Sleep(20 * time.Millisecond)
			}
			return nil
		}},
		{"the provider is cut off", "v", false, func(s *struck) error {
			s.provider.Cut()
			s.pause(0, 3*time.Second)
			s.provider.Mend()
			return nil
		}},
	}
}
