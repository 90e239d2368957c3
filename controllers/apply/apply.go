package apply

import (
	"context"
	"encoding/json"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldOwner is who owns the fields that the manager applies.
const FieldOwner = client.FieldOwner("bursar-manager")

// Status applies the status in the configuration. The configuration must carry the
// resource version that the status was computed from: the API server answers with
// a conflict when the object has changed since.
func Status(ctx context.Context, c client.Client, configuration runtime.ApplyConfiguration) error {
	return c.Status().Apply(ctx, configuration, FieldOwner, client.ForceOwnership)
}

// Configuration makes the apply configuration of a value: of every field that
// stands in the value's JSON.
func Configuration[C any](value any) (*C, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	configuration := new(C)
	return configuration, json.Unmarshal(raw, configuration)
}
