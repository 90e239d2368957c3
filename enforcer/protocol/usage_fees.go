package protocol

import (
	"slices"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/price"
)

// chargeMembers turns the members of a usage for which the model has a fee, by their paths, into
// uses of what they count. They count as known from then on: the result is how the provider bills
// all others.
func (b bill) chargeMembers(n *numbers, s *statement) limiterv1.Billing {
	billing := b.model.Billing
	var counts map[string]int64
	for name := range b.model.Prices[price.Default].Fees {
		value := s.usage.Get(name)
		if !countsSomething(value) {
			continue
		}
		if counts == nil {
			counts, _ = s.used.Uses.Counts()
			if counts == nil {
				counts = map[string]int64{}
			}
		}
		counts[name] += n.readNamed(name, value)
		billing.NeutralUsage = append(slices.Clone(billing.NeutralUsage), name)
	}
	if counts != nil {
		s.used.Uses = price.UsesOf(counts)
	}
	return billing
}
