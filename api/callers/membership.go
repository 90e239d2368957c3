package callers

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Members compiles a Membership whose members' calls a tenant pays for.
func Members(membership *v1alpha1.Membership, tenant string) (limiterv1.Members, field.ErrorList) {
	compiled := limiterv1.Members{
		Sources:  []limiterv1.Source{Source(kindMembership, membership)},
		Name:     membership.Namespace + "/" + membership.Name,
		Tenant:   tenant,
		Provider: membership.Spec.IdentityProviderRef.Name,
		Members:  make([]limiterv1.Member, 0, len(membership.Spec.Members)),
	}
	var errs field.ErrorList
	first := map[string]int{}
	path := field.NewPath("spec", "members")
	for i, spec := range membership.Spec.Members {
		member := compileMember(spec)
		by, name := NameOf(member)
		if earlier, found := first[by+" "+name]; found {
			errs = append(errs, field.Invalid(path.Index(i).Child(by), name, fmt.Sprintf("is named by members[%d] already: remove one of them", earlier)))
			continue
		}
		first[by+" "+name] = i
		compiled.Members = append(compiled.Members, member)
	}
	if len(errs) > 0 {
		return limiterv1.Members{}, errs
	}
	return compiled, nil
}

func compileMember(spec v1alpha1.Member) limiterv1.Member {
	return limiterv1.Member{
		Subject: spec.Subject,
		Email:   identity.LowerEmail(spec.Email),
		Group:   spec.Group,
		User:    spec.User,
		Tier:    string(spec.Tier),
		Groups:  Sorted(spec.Groups),
		Labels:  Labels(spec.Labels),
		Admin:   spec.Admin,
		Default: spec.Default,
		ActFor:  actFor(spec.ActFor),
	}
}

// NameOf is the field that names a member, and its value.
func NameOf(member limiterv1.Member) (by, name string) {
	switch {
	case member.Subject != "":
		return "subject", member.Subject
	case member.Email != "":
		return "email", member.Email
	}
	return "group", member.Group
}
