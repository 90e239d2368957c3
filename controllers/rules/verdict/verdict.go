package verdict

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Verdict is what one condition is to say.
type Verdict struct {
	Status  metav1.ConditionStatus
	Reason  string
	Message string
}

// True makes a Verdict that the condition holds.
func True(reason, message string) Verdict {
	return Verdict{metav1.ConditionTrue, reason, message}
}

// False makes a Verdict that the condition does not hold.
func False(reason, message string) Verdict {
	return Verdict{metav1.ConditionFalse, reason, message}
}

// Unknown makes a Verdict that it cannot be determined at present whether the condition holds.
func Unknown(reason, message string) Verdict {
	return Verdict{metav1.ConditionUnknown, reason, message}
}

// Holds reports whether the condition is True.
func (v Verdict) Holds() bool { return v.Status == metav1.ConditionTrue }

// Accepted is the verdict on an object that is valid and wins the names it claims.
func Accepted() Verdict { return True(v1alpha1.ReasonAccepted, "valid") }

// Rejected is the verdict on an object that is not to have any effect.
func Rejected(reason, message string) Verdict { return False(reason, message) }
