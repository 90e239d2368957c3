package replay

import (
	"fmt"
	"slices"
)

// Warnings say, about the new limits of a tenant, how many calls of the last days they would have
// refused and, if they are looser than before, how many of the refused calls they would have
// admitted.
func (r Result) Warnings(tenant string, days int, looser bool) (warnings []string) {
	const details = `; run "kubectl budget replay" for details`
	if r.Refused.Calls > 0 {
		warnings = append(warnings, fmt.Sprintf("under these limits, %d of the %d calls of the last %d days would have been refused",
			r.Refused.Calls, r.Admitted.Calls, days)+r.byMost(tenant)+details)
	}
	if looser && r.Fitting.Calls > 0 {
		warnings = append(warnings, fmt.Sprintf("under these limits, %d of the %d calls refused for money in the last %d days "+
			"would have been admitted, for about %s USD", r.Fitting.Calls, r.WereRefused.Calls, days, r.Fitting.Cost)+details)
	}
	return warnings
}

// byMost names the limit of the tenant or its ancestors that would have refused most of the
// calls.
func (r Result) byMost(tenant string) string {
	most := slices.MaxFunc(r.Limits, func(a, b LimitResult) int { return int(a.Total().Calls - b.Total().Calls) })
	if most.Money == nil {
		return ""
	}
	by := fmt.Sprintf(", %d of them by limit %s", most.Total().Calls, most.Money.Name)
	if most.Tenant != tenant {
		by += " of tenant " + most.Tenant
	}
	return by
}
