// Package fakecache answers reads as the manager's cache does, from the objects that a test
// gives it. It validates nothing, and is for rules that only read.
package fakecache

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// New makes a client that reads the objects, with the indexes of package index.
func New(t testing.TB, there ...client.Object) client.Client {
	t.Helper()
	builder := fake.NewClientBuilder().WithScheme(Scheme(t)).WithObjects(there...)
	testkit.Must(t, index.Register(t.Context(), indexer{builder}))
	return builder.Build()
}

// Scheme makes a scheme with the kinds of Bursar, and Kubernetes' core.
func Scheme(t testing.TB) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	testkit.Must(t, v1alpha1.AddToScheme(scheme))
	testkit.Must(t, corev1.AddToScheme(scheme))
	return scheme
}

type indexer struct{ *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, object client.Object, field string, values client.IndexerFunc) error {
	i.WithIndex(object, field, values)
	return nil
}
