package reach

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// LabelsOf finds the labels of a namespace; none when it is gone.
type LabelsOf func(namespace string) (map[string]string, error)

// IsDelegated reports whether a namespace is labelled so that its objects may reach
// beyond it.
func IsDelegated(namespace string, labelsOf LabelsOf) (bool, error) {
	its, err := labelsOf(namespace)
	return its[v1alpha1.DelegatedLabel] == "true", err
}

// Includes reports whether an object in the namespace own is about another namespace. An
// invalid selector includes no other namespace: the object's own status reports it.
func Includes(namespaces v1alpha1.Namespaces, own, other string, labelsOf LabelsOf) (bool, error) {
	switch {
	case own == other, namespaces.From == v1alpha1.NamespacesAll:
		return true, nil
	case namespaces.From != v1alpha1.NamespacesSelector:
		return false, nil
	}
	selector, err := metav1.LabelSelectorAsSelector(namespaces.Selector.Kubernetes())
	if err != nil {
		return false, nil
	}
	its, err := labelsOf(other)
	return selector.Matches(labels.Set(its)), err
}
