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
			if err := bursar.Apply(s, boundedYAML(minuteCents, false)); err != nil {
				return err
			}
			s.pause(0, 3*time.Second)
			return bursar.Apply(s, boundedYAML(minuteCents, true))
		}},
	}
}

func (s *struck) changeAmounts() error {
	for range 1 + s.chance.IntN(4) {
		less := func(cents int) int { return cents/2 + s.chance.IntN(cents/2) }
		yaml := soakBudget(s.parent, "5m", less(windowCents), "") + childYAML(s.parent, less(minuteCents)) + boundedYAML(less(minuteCents), true)
		if err := bursar.Apply(s, yaml); err != nil {
			return err
		}
		s.pause(0, 2*time.Second)
	}
	return bursar.Apply(s, soakBudget(s.parent, "5m", windowCents, "")+childYAML(s.parent, minuteCents)+boundedYAML(minuteCents, true))
}

// remake deletes an object, and applies it anew after a while.
func (s *struck) remake(object, yaml string, most time.Duration) error {
	err := remove(s, object)
	s.pause(0, most)
	return errors.Join(err, bursar.Apply(s, yaml))
}

func remove(ctx context.Context, object string) error {
	_, err := bursar.RunKubectl(ctx, "-n", "e2e", "delete", object, "--timeout=60s")
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
	err = errors.Join(err, bursar.Apply(s, childYAML(s.parent, minuteCents)))
	s.history.move(from, soakChild, open)
	return err
}
