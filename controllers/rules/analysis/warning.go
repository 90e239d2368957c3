package analysis

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Warning is something in an object that is valid and surely not meant.
type Warning struct {
	// Field is the path of the field that it is about.
	Field string
	// Detail says what is odd, and what to write instead.
	Detail string
	// NoEffect is whether what the field says can have no effect at all.
	NoEffect bool
}

// String is the warning as it is shown: the field and the detail.
func (w Warning) String() string { return w.Field + ": " + w.Detail }

// atOnce is how many warnings the condition names.
const atOnce = 5

// Verdict is the condition Warning of an object in which these were found.
func Verdict(warnings []Warning) verdict.Verdict {
	if len(warnings) == 0 {
		return verdict.False(v1alpha1.ReasonNoWarnings, "nothing in the spec looks like a mistake")
	}
	var texts []string
	for _, w := range warnings[:min(len(warnings), atOnce)] {
		texts = append(texts, w.String())
	}
	if more := len(warnings) - atOnce; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return verdict.True(v1alpha1.ReasonPossibleMistakes, strings.Join(texts, "; "))
}

// named is how many names a warning lists.
const named = 3

// found gathers warnings.
type found []Warning

// warn adds a warning about the field at the path.
func (f *found) warn(path *field.Path, format string, args ...any) {
	*f = append(*f, Warning{Field: path.String(), Detail: fmt.Sprintf(format, args...)})
}

// noEffect adds the warning that the field at the path can have no effect.
func (f *found) noEffect(path *field.Path, format string, args ...any) {
	*f = append(*f, Warning{Field: path.String(), Detail: fmt.Sprintf(format, args...), NoEffect: true})
}

// Warns is whether an object's condition Warning is True.
func Warns(object interface {
	GetProgrammedStatus() *v1alpha1.ProgrammedStatus
}) bool {
	return meta.IsStatusConditionTrue(object.GetProgrammedStatus().Conditions, v1alpha1.ConditionWarning)
}
