package acceptance

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/verdict"
)

// Decision is whether an object is to have effect.
type Decision struct {
	verdict.Verdict
	// Errors are why it is not, field by field. There are none where the verdict is
	// that of another object, which this one needs.
	Errors field.ErrorList
}

func accepted() Decision { return Decision{Verdict: verdict.Accepted()} }

func rejected(reason string, errs ...*field.Error) Decision {
	list := field.ErrorList(errs)
	return Decision{Verdict: verdict.Rejected(reason, list.ToAggregate().Error()), Errors: list}
}

func invalid(errs field.ErrorList) Decision { return rejected(v1alpha1.ReasonInvalid, errs...) }
