package compile_test

import (
	_ "time/tzdata" // as in the manager

	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

func meta(name string, generation int64) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "acme", Name: name, UID: types.UID("uid-" + name), Generation: generation}
}

func source(kind, name string, generation int64) limiterv1.Source {
	return limiterv1.Source{Kind: kind, Namespace: "acme", Name: name, UID: "uid-" + name, Generation: generation}
}

// ignoreDetail compares errors by field and type.
var ignoreDetail = cmpopts.IgnoreFields(field.Error{}, "Detail", "BadValue", "Origin")

func invalid(path string) *field.Error {
	return &field.Error{Type: field.ErrorTypeInvalid, Field: path}
}
