package history

import (
	"time"

	"github.com/jackc/pgx/v5"
)

const ratesOf = `
SELECT limit_name, terms, namespace, policy, generation, opened_by, closed_by, valid_from, valid_to
FROM rate_limits WHERE tenant_id = @tenant
ORDER BY limit_name, valid_from`

// rateRow is a rate limit, as long as it stayed as it was.
type rateRow struct {
	name, terms, namespace, policy string
	generation                     int64
	openedBy, closedBy             []string
	from                           time.Time
	to                             *time.Time
}

func scanRateRow(row pgx.CollectableRow) (r rateRow, err error) {
	err = row.Scan(&r.name, &r.terms, &r.namespace, &r.policy, &r.generation, &r.openedBy, &r.closedBy, &r.from, &r.to)
	return r, err
}

// rateChanges are the changes from each row of a rate limit to the next, and its end.
func rateChanges(rates []rateRow) (all []LimitChange) {
	for i, rate := range rates {
		c := LimitChange{
			At: rate.from, Limit: rate.name, To: rate.terms, By: rate.openedBy, Namespace: rate.namespace, Budget: rate.policy, IsRate: true, Generation: rate.generation,
		}
		if i > 0 && rates[i-1].name == rate.name && rates[i-1].to != nil && rates[i-1].to.Equal(rate.from) {
			c.From = rates[i-1].terms
		}
		if c.From != c.To { // equal if, for example, a policy was deleted and created again
			all = append(all, c)
		}
		isReplaced := i+1 < len(rates) && rates[i+1].name == rate.name && rate.to != nil && rates[i+1].from.Equal(*rate.to)
		if rate.to != nil && !isReplaced {
			end := c
			end.At, end.From, end.To, end.By = *rate.to, rate.terms, "", rate.closedBy
			all = append(all, end)
		}
	}
	return all
}
