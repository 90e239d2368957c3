package cluster

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Observed is a resource, and what the manager says of it.
type Observed struct {
	// Kind is that of the object, and Name its name, after its namespace if it has one.
	Kind, Name string
	Generation int64
	Status     v1alpha1.ProgrammedStatus
	// Object is one of TenantBudget, RateLimitPolicy, APIKey, Membership, ModelProvider or
	// IdentityProvider. It is the cache's own object: nobody may change it.
	Object client.Object
}

// observedKinds are the kinds whose status the console sees.
var observedKinds = []struct {
	kind string
	list func() client.ObjectList
}{
	{"TenantBudget", func() client.ObjectList { return &v1alpha1.TenantBudgetList{} }},
	{"RateLimitPolicy", func() client.ObjectList { return &v1alpha1.RateLimitPolicyList{} }},
	{"APIKey", func() client.ObjectList { return &v1alpha1.APIKeyList{} }},
	{"Membership", func() client.ObjectList { return &v1alpha1.MembershipList{} }},
	{"ModelProvider", func() client.ObjectList { return &v1alpha1.ModelProviderList{} }},
	{"IdentityProvider", func() client.ObjectList { return &v1alpha1.IdentityProviderList{} }},
}

// Observed are all resources that the console sees, by kind, and by name within it.
func (c *Cluster) Observed(ctx context.Context) (all []Observed, err error) {
	for _, of := range observedKinds {
		list := of.list()
		if err := c.client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		from := len(all)
		err := meta.EachListItem(list, func(o runtime.Object) error {
			object := o.(client.Object)
			status := o.(interface {
				GetProgrammedStatus() *v1alpha1.ProgrammedStatus
			}).GetProgrammedStatus()
			name := strings.TrimPrefix(object.GetNamespace()+"/"+object.GetName(), "/")
			all = append(all, Observed{Kind: of.kind, Name: name, Generation: object.GetGeneration(), Status: *status, Object: object})
			return nil
		})
		if err != nil {
			return nil, err
		}
		slices.SortFunc(all[from:], func(a, b Observed) int { return strings.Compare(a.Name, b.Name) })
	}
	return all, nil
}
