package rollout

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldOwner owns the fields that the manager applies.
const FieldOwner = client.FieldOwner("bursar-manager")

// ApplyStatus applies all fields in the JSON of a status as the status of the object. The
// object must be as it was when the status was computed: if it has changed since, the API
// server answers with a conflict. ApplyStatus returns the resource version that the object
// has afterwards.
func ApplyStatus(ctx context.Context, c client.Client, object client.Object, status any) (resourceVersion string, err error) {
	kind, err := c.GroupVersionKindFor(object)
	if err != nil {
		return "", err
	}
	fields, err := fieldsOf(status)
	if err != nil {
		return "", fmt.Errorf("status of %s %s: %w", kind.Kind, object.GetName(), err)
	}
	configuration := &unstructured.Unstructured{Object: map[string]any{"status": fields}}
	configuration.SetGroupVersionKind(kind)
	configuration.SetNamespace(object.GetNamespace())
	configuration.SetName(object.GetName())
	configuration.SetResourceVersion(object.GetResourceVersion())
	err = c.Status().Apply(ctx, client.ApplyConfigurationFromUnstructured(configuration), FieldOwner, client.ForceOwnership)
	return configuration.GetResourceVersion(), err
}

func fieldsOf(status any) (map[string]any, error) {
	raw, err := json.Marshal(status)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	err = json.Unmarshal(raw, &fields)
	return fields, err
}
