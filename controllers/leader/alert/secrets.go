package alert

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// secretsRole is the ClusterRole that lets the manager read Secrets, in the namespaces
// with a RoleBinding to it. By itself, the manager may read none of them.
const secretsRole = "bursar-alert-secrets"

// secrets reads Secrets, past every cache: a cache would list and watch them all.
type secrets struct{ api client.Reader }

// read reads a key of a Secret.
func (s secrets) read(ctx context.Context, namespace string, ref v1alpha1.SecretKeyRef) (string, error) {
	secret := &corev1.Secret{}
	err := s.api.Get(ctx, types.NamespacedName{Namespace: namespace, Name: ref.Name}, secret)
	name := namespace + "/" + ref.Name
	switch {
	case apierrors.IsForbidden(err):
		return "", unusable("the manager is not allowed to read Secret %s: bind ClusterRole %s to its service account in namespace %s",
			name, secretsRole, namespace)
	case apierrors.IsNotFound(err):
		return "", unusable("Secret %s does not exist", name)
	case err != nil:
		return "", failed(fmt.Sprintf("Secret %s cannot be read: the API server does not answer", name))
	}
	value := strings.TrimSpace(string(secret.Data[ref.Key]))
	if value == "" {
		return "", unusable("Secret %s has no key %s, or it is empty", name, ref.Key)
	}
	return value, nil
}

// unusable is the failure of a Secret that has to be created or changed.
func unusable(format string, args ...any) *failure {
	return &failure{reason: v1alpha1.ReasonSecretUnusable, message: fmt.Sprintf(format, args...)}
}
