package rollout

import (
	"context"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// Observed observes how far documents have got.
type Observed interface {
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
}

// ObserveDocument reads how far the document of an object has got, puts that into the scope's
// Rollout, and returns what was observed.
func ObserveDocument[O Object](
	ctx context.Context, s *Scope[O], documents Observed, id limiterv1.DocumentID,
) (limiterstore.Observation, error) {
	ctx, cancel := s.StoreContext(ctx)
	defer cancel()
	observed, err := documents.Observe(ctx, id)
	s.Rollout = conditions.RolloutOf(observed, s.Object)
	return observed, err
}
