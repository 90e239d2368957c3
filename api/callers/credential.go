package callers

import (
	"time"

	"k8s.io/utils/ptr"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Credentials compiles an APIKey whose calls a tenant pays for: a document for each of its keys,
// that of sha256 first.
func Credentials(key *v1alpha1.APIKey, tenant string) []limiterv1.Credential {
	credential := limiterv1.Credential{
		Sources: []limiterv1.Source{Source(kindAPIKey, key)},
		SHA256:  key.Spec.SHA256,
		Name:    key.Namespace + "/" + key.Name,
		Tenant:  tenant,
		User:    key.Spec.User,
		Tier:    string(key.Spec.Tier),
		Models:  key.Spec.Models,
		ActFor:  actFor(key.Spec.ActFor),
		Groups:  Sorted(key.Spec.Groups),
		Labels:  Labels(key.Spec.Labels),
	}
	if key.Spec.ExpiresAt != nil {
		// In UTC, so that the document does not depend on this machine's zone.
		credential.ExpiresAt = ptr.To(key.Spec.ExpiresAt.UTC())
	}
	all := []limiterv1.Credential{credential}
	for _, previous := range key.Spec.PreviousKeys {
		replaced := credential
		replaced.SHA256, replaced.ExpiresAt = previous.SHA256, earlier(previous.ExpiresAt.UTC(), credential.ExpiresAt)
		all = append(all, replaced)
	}
	return all
}

// earlier is the earlier one of two times, of which the second is nil for never.
func earlier(at time.Time, other *time.Time) *time.Time {
	if other != nil && other.Before(at) {
		return other
	}
	return &at
}

// actFor compiles the users that a credential may call for; nil for nobody else.
func actFor(spec *v1alpha1.ActFor) *limiterv1.ActFor {
	if spec == nil {
		return nil
	}
	compiled := &limiterv1.ActFor{Users: spec.Users, Groups: spec.Groups}
	for _, tier := range spec.Tiers {
		compiled.Tiers = append(compiled.Tiers, string(tier))
	}
	return compiled
}
