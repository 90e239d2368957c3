package callers

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// The kinds of source. Objects read through a client carry no kind of their own.
const (
	kindAPIKey           = "APIKey"
	kindIdentityProvider = "IdentityProvider"
	kindMembership       = "Membership"
)

// Source is an object, and the state of it, that a document is made from.
func Source(kind string, object metav1.Object) limiterv1.Source {
	return limiterv1.Source{
		Kind:       kind,
		Namespace:  object.GetNamespace(),
		Name:       object.GetName(),
		UID:        string(object.GetUID()),
		Generation: object.GetGeneration(),
	}
}
