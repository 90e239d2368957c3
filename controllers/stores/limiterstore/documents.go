package limiterstore

import (
	"context"
	"fmt"
	"slices"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// batch is how many documents are read at once, so that Redis is kept busy by none of
// many for long.
const batch = 500

// Documents reads documents without their bodies and without looking at who runs
// them. Those that there are none of are left out.
func (s *Store) Documents(ctx context.Context, ids ...limiterv1.DocumentID) ([]Observation, error) {
	var documents []Observation
	for some := range slices.Chunk(ids, batch) {
		read, err := s.documents(ctx, some)
		if err != nil {
			return nil, err
		}
		documents = append(documents, read...)
	}
	return documents, nil
}

func (s *Store) documents(ctx context.Context, ids []limiterv1.DocumentID) ([]Observation, error) {
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
