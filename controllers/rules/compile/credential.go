package compile

import (
	"k8s.io/utils/ptr"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Credential compiles an APIKey whose calls a tenant pays for.
func Credential(key *v1alpha1.APIKey, tenant string) limiterv1.Credential {
	credential := limiterv1.Credential{
		Sources: []limiterv1.Source{source(kindAPIKey, key)},
		SHA256:  key.Spec.SHA256,
		Name:    key.Namespace + "/" + key.Name,
		Tenant:  tenant,
		User:    key.Spec.User,
		Tier:    string(key.Spec.Tier),
	}
	if key.Spec.ExpiresAt != nil {
		// In UTC, so that the document does not depend on this machine's zone.
		credential.ExpiresAt = ptr.To(key.Spec.ExpiresAt.UTC())
	}
	return credential
}
