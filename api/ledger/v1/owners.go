package ledgerv1

import limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"

// OwnersOfCalls is how SQL tells apart whose calls limits of a scope count, in rows of
// ai_usage_logs: the expression that names the owner, empty of a call that has none, and what
// is joined with the table for that. A call is in the row of each group of its caller.
func OwnersOfCalls(per limiterv1.Scope) (name, join string) {
	switch per {
	case limiterv1.PerUser:
		return "user_id", ""
	case limiterv1.PerGroup:
		return "of_group.name", " CROSS JOIN LATERAL unnest(groups) AS of_group (name)"
	case limiterv1.PerKey:
		return "credential", ""
	}
	return "''::text", ""
}
