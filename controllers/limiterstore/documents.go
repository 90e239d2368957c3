package limiterstore

import (
	"context"
	"fmt"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Documents reads documents without their bodies and without looking at who runs
// them. Those that there are none of are left out.
func (s *Store) Documents(ctx context.Context, ids ...limiterv1.DocumentID) ([]Observation, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	fields := make([]string, len(ids))
	for i, id := range ids {
		fields[i] = id.String()
	}
	stored, err := s.client.HMGet(ctx, limiterv1.DocumentsKey, fields...).Result()
	if err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	var documents []Observation
	for i, value := range stored {
		raw, _ := value.(string)
		if raw == "" {
			continue
		}
		observation, err := document(raw)
		if err != nil {
			return nil, fmt.Errorf("document %s: %w", ids[i], err)
		}
		observation.Body = nil
		documents = append(documents, observation)
	}
	return documents, nil
}
