package change

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// mostNamed is how many models a warning names.
const mostNamed = 5

// Provider are the warnings about a ModelProvider that replaces another one under its name, such as an
// imported one: about where calls go then, and about models that it leaves out.
func Provider(was, is *v1alpha1.ModelProvider) (warnings []string) {
	if was == nil {
		return nil
	}
	if before, after := reached(was), reached(is); before != after {
		warnings = append(warnings, fmt.Sprintf(
			"spec: replaces the existing ModelProvider %s, %s, by %s: to keep both, give this one another name", was.Name, before, after))
	}
	var left []string
	for _, model := range was.Spec.Models {
		if !slices.ContainsFunc(is.Spec.Models, func(m v1alpha1.Model) bool { return m.Name == model.Name }) {
			left = append(left, model.Name)
		}
	}
	if len(left) > 0 {
		warnings = append(warnings, fmt.Sprintf(
			"spec.models: the existing ModelProvider %s lists %s, and this one does not: calls of models that no other ModelProvider lists are refused", was.Name, listed(left)))
	}
	return warnings
}

// reached is what a ModelProvider calls, and the credential that it calls with.
func reached(p *v1alpha1.ModelProvider) string {
	text := fmt.Sprintf("%s at %s", cmp.Or(p.Spec.Protocol, string(limiterv1.OpenAI)), p.Spec.Endpoint)
	if p.Spec.CredentialFile == "" {
		return text + " without a credential"
	}
	return text + " with the credential " + p.Spec.CredentialFile
}

// listed names the first of many.
func listed(names []string) string {
	if len(names) <= mostNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNamed], ", "), len(names)-mostNamed)
}
