package conditions

import (
	"errors"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// failure is the verdict of Programmed after an error on the way to the enforcers. The error
// itself goes only to the log: it may differ at each attempt, and the status must not.
func failure(err error) verdict.Verdict {
	var suspended *limiterstore.SuspendedError
	switch {
	case errors.As(err, &suspended):
		return verdict.False(v1alpha1.ReasonLimiterSuspended, suspended.Reason)
	case errors.Is(err, limiterstore.ErrNotValid):
		return verdict.False(v1alpha1.ReasonLimiterSuspended, "the limiter's counters are being set: calls are refused until that is done")
	case errors.Is(err, budgetstore.ErrUnavailable):
		return verdict.Unknown(v1alpha1.ReasonStoreUnavailable, "Postgres does not answer the manager, so what was spent is not known: check Postgres, and database-url in the Secret bursar-manager")
	case errors.Is(err, limiterstore.ErrUnavailable):
		return verdict.Unknown(v1alpha1.ReasonStoreUnavailable, "Redis does not answer the manager: check Redis, and redis-url in the Secret bursar-manager")
	}
	return Undetermined("whether the object is programmed")
}
