package tenantbudget

import (
	"encoding/json"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// KeepSpecManager is a transform for the manager's cache. It drops managedFields, except the entry
// of who last changed the spec of a TenantBudget.
func KeepSpecManager(object any) (any, error) {
	accessor, err := meta.Accessor(object)
	if err != nil {
		return object, nil // such as a tombstone
	}
	var kept []metav1.ManagedFieldsEntry
	if _, isBudget := object.(*v1alpha1.TenantBudget); isBudget {
		if last := specManager(accessor.GetManagedFields()); last != nil {
			kept = append(kept, metav1.ManagedFieldsEntry{
				Manager: last.Manager, Operation: last.Operation, Time: last.Time, FieldsV1: metav1.NewFieldsV1(`{"f:spec":{}}`),
			})
		}
	}
	accessor.SetManagedFields(kept)
	return object, nil
}

// specManager is the entry of who last changed fields of the spec; nil if there is none.
func specManager(entries []metav1.ManagedFieldsEntry) *metav1.ManagedFieldsEntry {
	var last *metav1.ManagedFieldsEntry
	for i, entry := range entries {
		if entry.Subresource != "" || entry.Time == nil || entry.FieldsV1 == nil || !managesSpec(entry.FieldsV1.GetRawBytes()) {
			continue
		}
		if last == nil || !entry.Time.Before(last.Time) {
			last = &entries[i]
		}
	}
	return last
}

// managesSpec reports whether fields of the spec are among managed fields.
func managesSpec(fields []byte) bool {
	var managed map[string]json.RawMessage
	return json.Unmarshal(fields, &managed) == nil && managed["f:spec"] != nil
}
