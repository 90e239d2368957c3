package callers

import (
	"slices"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Labels are labels of a caller as documents have them; nil for none.
func Labels(labels v1alpha1.CallerLabels) map[string]string {
	if len(labels) == 0 {
		return nil
	}
	compiled := make(map[string]string, len(labels))
	for name, value := range labels {
		compiled[name] = string(value)
	}
	return compiled
}

// Sorted are names in an order that does not depend on the resource's; nil for none.
func Sorted[T ~string](names []T) []string {
	var all []string
	for _, name := range names {
		all = append(all, string(name))
	}
	slices.Sort(all)
	return all
}
