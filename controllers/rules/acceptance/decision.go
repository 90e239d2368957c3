package acceptance

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Decision is whether an object is to have effect.
type Decision struct {
	verdict.Verdict
	// Errors are why it is not, field by field. There are none if the verdict is that of another
	// object, which this one needs.
	Errors field.ErrorList
}

func accepted() Decision { return Decision{Verdict: verdict.Accepted()} }

func rejected(reason string, errs ...*field.Error) Decision {
	list := field.ErrorList(errs)
	return Decision{Verdict: verdict.Rejected(reason, strings.Join(texts(list), "; ")), Errors: list}
}

// Whys are the reasons why an object that is not accepted is not, in words: one for each error.
func (d Decision) Whys() []string {
	if len(d.Errors) == 0 {
		return []string{d.Message}
	}
	return texts(d.Errors)
}

// texts are the errors in words, each once.
func texts(errs field.ErrorList) (texts []string) {
	for _, err := range errs {
		if text := err.Error(); !slices.Contains(texts, text) {
			texts = append(texts, text)
		}
	}
	return texts
}

// and joins the decisions by two objects that an object needs, of which the first is wrong: if
// both are, the errors of both are told.
func (d Decision) and(other Decision) Decision {
	if len(d.Errors) == 0 || len(other.Errors) == 0 {
		return d
	}
	return rejected(d.Reason, append(slices.Clone(d.Errors), other.Errors...)...)
}

func invalid(errs field.ErrorList) Decision { return rejected(v1alpha1.ReasonInvalid, errs...) }
