package e2e

import (
	"context"
	"errors"
	"time"
)

// objectFaults are changes of objects, while calls are made.
func objectFaults() []fault {
	return []fault{
		{"amounts change", "o", true, (*struck).changeAmounts},
		{"a key is deleted and made anew", "o", true, func(s *struck) error {
			tenant := soakCallers[s.chance.IntN(len(soakCallers))]
			return s.remake("apikey/"+tenant, soakKey(tenant), time.Second)
		}},
		{"a budget is deleted and made anew", "o", false, func(s *struck) error {
			return s.remake("tenantbudget/"+soakBounded, boundedYAML(minuteCents, true), 3*time.Second)
		}},
		{"a budget moves to another parent", "o", false, (*struck).moveChild},
		{"a tenant gives up its shares", "o", false, func(s *struck) error {
			if err := s.apply(s, boundedYAML(minuteCents, false)); err != nil {
				return err
			}
			s.pause(0, 3*time.Second)
			return s.apply(s, boundedYAML(minuteCents, true))
		}},
	}
}

func (s *struck) changeAmounts() error {
	for range 1 + s.chance.IntN(4) {
		less := func(cents int) int { return cents/2 + s.chance.IntN(cents/2) }
		yaml := soakBudget(s.parent, "5m", less(windowCents), "") + childYAML(s.parent, less(minuteCents)) + boundedYAML(less(minuteCents), true)
		if err := s.apply(s, yaml); err != nil {
			return err
		}
		s.pause(0, 2*time.Second)
	}
	return s.apply(s, soakBudget(s.parent, "5m", windowCents, "")+childYAML(s.parent, minuteCents)+boundedYAML(minuteCents, true))
}

// remake deletes an object, and applies it anew after a while.
func (s *struck) remake(object, yaml string, most time.Duration) error {
	err := remove(s, object)
	s.pause(0, most)
	return errors.Join(err, s.apply(s, yaml))
}

func remove(ctx context.Context, object string) error {
	return insist(ctx, func() error {
		_, err := bursar.RunKubectl(ctx, "-n", "e2e", "delete", object, "--timeout=60s", "--ignore-not-found")
		return err
	})
}

// apply applies YAML, however slow the API server is.
func (s *soak) apply(ctx context.Context, yaml string) error {
	return insist(ctx, func() error { return bursar.Apply(ctx, yaml) })
}

// insist does what the API server may be too slow for on a machine that has little time for
// any of its programs, three times at most.
func insist(ctx context.Context, do func() error) (err error) {
	for range 3 {
		if err = do(); err == nil || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// moveChild has the child made anew below any parent. What it has open ends where it was.
func (s *struck) moveChild() error {
	err := remove(s, "tenantbudget/"+soakChild)
	from, open := time.Now(), 0
	for _, at := range s.slots {
		open += s.tally.openAt(at.serving())[soakChild]
	}
	s.pause(0, 3*time.Second)
	s.parent = soakParents[s.chance.IntN(len(soakParents))]
	err = errors.Join(err, s.apply(s, childYAML(s.parent, minuteCents)))
	s.history.move(from, soakChild, open)
	return err
}
