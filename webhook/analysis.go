package webhook

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/bursar-dev/bursar/controllers/rules/analysis"
)

// possibleMistakes are the warnings about what is valid in an object and surely not meant, as its
// condition Warning will say them. What could not be found out is left to the condition.
func possibleMistakes(ctx context.Context, found []analysis.Warning, err error) []string {
	if err != nil {
		log.FromContext(ctx).Error(err, "Failed to analyze an object on admission")
	}
	var warnings []string
	for _, w := range found {
		warnings = append(warnings, w.String())
	}
	return warnings
}
