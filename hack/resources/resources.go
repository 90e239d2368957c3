package resources

import (
	"fmt"
	"math/rand/v2"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// Resource is a resource, and its flaw.
type Resource struct {
	*unstructured.Unstructured
	// Field is the wrong field, as an error has to name it: the error may be about a
	// part of it. It is empty if the resource is valid.
	Field string
	// Wrong says what is wrong about it, for people.
	Wrong string
	// Later is set if the resource is invalid because of others that come before it.
	Later bool
}

// IsValid reports whether the resource has to be accepted.
func (r Resource) IsValid() bool { return r.Field == "" }

// String says which resource it is and what is wrong with it.
func (r Resource) String() string {
	name := fmt.Sprintf("%s %s/%s", r.GetKind(), r.GetNamespace(), r.GetName())
	if r.IsValid() {
		return name
	}
	return fmt.Sprintf("%s, wrong in %s (%s)", name, r.Field, r.Wrong)
}

// Maker makes resources. The same seed makes the same ones.
type Maker struct {
	*rand.Rand
	// delegated is a namespace whose budgets may name any tenant; plain is another,
	// whose budgets may not.
	delegated, plain string
	made             int
	// budgets are those that are valid, and so are keys, providers and identityProviders.
	budgets           []*v1alpha1.TenantBudget
	keys              []*v1alpha1.APIKey
	providers         []*v1alpha1.ModelProvider
	identityProviders []*v1alpha1.IdentityProvider
	// takers are the protocols with a provider that accepts unlisted models.
	takers map[string]bool
}

// New makes a Maker of resources in two namespaces.
func New(seed uint64, delegated, plain string) *Maker {
	return &Maker{Rand: rand.New(rand.NewPCG(seed, 0)), delegated: delegated, plain: plain, takers: map[string]bool{}}
}

// Make makes n resources or a few more, of all kinds, about half of which are invalid.
// Resources come after those that they need.
func (m *Maker) Make(n int) []Resource {
	made := []Resource{m.budget(), m.key(), m.provider(), m.policy(), m.grant(), m.identityProvider(), m.membership()}
	for len(made) < n {
		switch m.IntN(30) {
		case 0, 1, 2:
			made = append(made, m.budget())
		case 3, 4:
			made = append(made, m.policy())
		case 5, 6:
			made = append(made, m.key())
		case 7, 8:
			made = append(made, m.provider())
		case 9:
			made = append(made, m.budget(), m.wrongAmongOthers())
		case 10:
			made = append(made, m.wrongChain()...)
		case 11, 12, 13:
			made = append(made, m.broken(m.newBudget(), budgetFlaws))
		case 14, 15:
			made = append(made, m.broken(m.newPolicy(), policyFlaws), m.broken(m.selecting(m.newPolicy()), selectorFlaws))
		case 16, 17:
			made = append(made, m.broken(m.newKey(), keyFlaws))
		case 18, 19:
			made = append(made, m.grant())
		case 20:
			made = append(made, m.broken(m.newGrant(), grantFlaws))
		case 21:
			made = append(made, m.wrongGrant())
		case 22, 23:
			made = append(made, m.identityProvider())
		case 24:
			made = append(made, m.membership())
		case 25:
			made = append(made, m.membership(), m.wrongMembership())
		case 26, 27:
			made = append(made, m.broken(m.newIdentityProvider(), identityProviderFlaws), m.broken(m.newMembership(), membershipFlaws))
		default:
			made = append(made, m.broken(m.newProvider(), providerFlaws))
		}
	}
	return made
}

// name makes a name that no other resource has.
func (m *Maker) name(kind string) string {
	m.made++
	return fmt.Sprintf("%s-%05d", kind, m.made)
}

// valid is the resource of an object as it is.
func valid(object client.Object) Resource { return Resource{Unstructured: raw(object)} }

// wrong is the resource of an object that cannot be accepted among others.
func wrong(object client.Object, field, why string) Resource {
	return Resource{Unstructured: raw(object), Field: field, Wrong: why, Later: true}
}

// raw is the object as it goes over the wire, where fields may be anything.
func raw(object client.Object) *unstructured.Unstructured {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		panic(fmt.Sprintf("%T cannot be written: %v", object, err))
	}
	delete(fields, "status")
	return &unstructured.Unstructured{Object: fields}
}

// broken is the resource of a valid object with one of the flaws.
func (m *Maker) broken(object client.Object, flaws []flaw) Resource {
	for {
		r := Resource{Unstructured: raw(object)}
		f := flaws[m.IntN(len(flaws))]
		if field, why, applies := f(m, r.Object); applies {
			r.Field, r.Wrong = field, why
			return r
		}
	}
}

// pick is one of several values.
func pick[T any](m *Maker, values ...T) T { return values[m.IntN(len(values))] }

// some are a random number of the values, up to most, in any order, each once.
func some[T any](m *Maker, most int, values ...T) []T {
	var chosen []T
	for _, i := range m.Perm(len(values))[:m.IntN(min(most, len(values))+1)] {
		chosen = append(chosen, values[i])
	}
	return chosen
}

// oneIn is true once in n times.
func (m *Maker) oneIn(n int) bool { return m.IntN(n) == 0 }
