package rollout

import (
	"context"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/controllers/rollout/conditions"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
)

// Observed is where documents are observed.
type Observed interface {
	Observe(ctx context.Context, id limiterv1.DocumentID) (limiterstore.Observation, error)
}

// ObserveDocument reads how far the document has got that an object programs by itself, and
// returns what was observed.
func ObserveDocument[O Object](
	ctx context.Context, s *Scope[O], documents Observed, id limiterv1.DocumentID,
) (limiterstore.Observation, error) {
	ctx, cancel := s.StoreContext(ctx)
	defer cancel()
	observed, err := documents.Observe(ctx, id)
	s.Rollout = conditions.RolloutOf(observed, s.Object)
	return observed, err
}
