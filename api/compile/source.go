package compile

import "github.com/bursar-dev/bursar/api/callers"

// The kinds of source. Objects read through a client carry no kind of their own.
const (
	kindTenantBudget    = "TenantBudget"
	kindRateLimitPolicy = "RateLimitPolicy"
	kindModelProvider   = "ModelProvider"
	kindBudgetGrant     = "BudgetGrant"
)

var source = callers.Source
