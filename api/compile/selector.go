package compile

import (
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// targetSelector returns the errors of the selector of a policy's targets.
func targetSelector(selector *v1alpha1.TargetSelector, path *field.Path) field.ErrorList {
	if selector == nil {
		return nil
	}
	errs := metav1validation.ValidateLabelSelector(selector.LabelSelector(), metav1validation.LabelSelectorValidationOptions{}, path)
	return append(errs, namespaces(selector.Namespaces, path.Child("namespaces"))...)
}

// allowedChildren returns the errors of the selector of the namespaces of children.
func allowedChildren(allowed *v1alpha1.AllowedChildren, path *field.Path) field.ErrorList {
	if allowed == nil {
		return nil
	}
	return namespaces(allowed.Namespaces, path.Child("namespaces"))
}

func namespaces(chosen v1alpha1.Namespaces, path *field.Path) field.ErrorList {
	return metav1validation.ValidateLabelSelector(chosen.Selector.Kubernetes(), metav1validation.LabelSelectorValidationOptions{}, path.Child("selector"))
}
