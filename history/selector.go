package history

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// isSelected is whether a limit counts a call; its parameters are those that selecting adds.
const isSelected = `(cardinality(@tiers::text[]) = 0 OR tier = ANY(@tiers))
  AND (cardinality(@models::text[]) = 0 OR ` + modelOf + ` = ANY(@models))
  AND (cardinality(@groups::text[]) = 0 OR groups && @groups)
  AND labels @> @labels::jsonb`

// selecting adds to the parameters of a query those of isSelected.
func selecting(s limiterv1.Selector, args pgx.NamedArgs) pgx.NamedArgs {
	labels := s.Labels
	if labels == nil {
		labels = map[string]string{}
	}
	args["tiers"], args["models"], args["groups"], args["labels"] = orNone(s.Tiers), orNone(s.Models), orNone(s.Groups), labels
	return args
}

// orNone returns an empty array for nil, which would be NULL: to SQL, that is neither empty nor
// not.
func orNone(values []string) []string {
	if values == nil {
		return []string{}
	}
	return values
}

// byOwner puts the name of the owner in the place of %[1]s, and the join that this needs in the
// place of %[2]s, in a query of ai_usage_logs.
func byOwner(query string, per limiterv1.Scope) string {
	name, join := ledgerv1.OwnersOfCalls(per)
	return fmt.Sprintf(query, name, join)
}
