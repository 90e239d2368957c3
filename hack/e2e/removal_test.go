package e2e

import (
	"context"
	"fmt"
	"strings"

	"github.com/bursar-dev/bursar/hack/stack"
)

// removable removes Bursar as README says, after all tests, with all that they have left.
func removable(ctx context.Context, s *stack.Stack) error {
	for _, args := range [][]string{
		{"delete", "bursar", "--all", "--all-namespaces", "--timeout=2m"},
		{"delete", "-k", "../../config/crd", "--timeout=1m"},
	} {
		if out, err := s.RunKubectl(ctx, args...); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
	}
	left, err := s.RunKubectl(ctx, "get", "crd", "--output=name")
	if err == nil && strings.Contains(left, "bursar.dev") {
		err = fmt.Errorf("there is still %s", left)
	}
	return err
}
