package ledgerv1

import limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"

// OwnersOfCalls is SQL that finds the owners that limits of a scope count, in rows of
// ai_usage_logs: an expression for the owner's name, which is empty for a call without one,
// and a join that the expression needs. The join repeats a call for each group of its caller.
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
