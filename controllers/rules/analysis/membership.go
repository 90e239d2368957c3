package analysis

import (
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// OfMembership finds what is surely not meant in a Membership. The document is that of its tenant,
// nil where there is none.
func OfMembership(membership *v1alpha1.Membership, document *limiterv1.Tenant) []Warning {
	var f found
	members := field.NewPath("spec", "members")
	for i, member := range membership.Spec.Members {
		f.actsForNobody(members.Index(i).Child("actFor", "users"), member.ActFor, member.User)
	}
	if document == nil {
		return f
	}
	told := sets.New[v1alpha1.Tier]()
	for i, member := range membership.Spec.Members {
		f.actingTiers(members.Index(i).Child("actFor"), member.ActFor, *document)
		if member.Tier == "" || told.Has(member.Tier) {
			continue // a tier that comes with the token is not known here
		}
		told.Insert(member.Tier)
		f.tier(members.Index(i).Child("tier"), string(member.Tier), *document)
	}
	return f
}
