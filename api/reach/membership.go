package reach

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// namespaceInPattern stands, in a pattern of an IdentityProvider, for the namespace of a
// Membership.
const namespaceInPattern = "{namespace}"

// Allowance says which members the Memberships of a namespace may name. The zero
// Allowance allows nobody.
type Allowance struct{ subjects, emails, groups patterns }

// AllowanceOf is what an IdentityProvider allows a namespace. An invalid selector
// includes no namespace.
func AllowanceOf(provider *v1alpha1.IdentityProvider, namespace string, labelsOf LabelsOf) (Allowance, error) {
	var allowance Allowance
	for _, allowed := range provider.Spec.AllowedMemberships {
		includes, err := includesNamespace(allowed, namespace, labelsOf)
		if err != nil {
			return Allowance{}, err
		}
		if !includes {
			continue
		}
		for _, subject := range allowed.Subjects {
			allowance.subjects.add(strings.ReplaceAll(subject, namespaceInPattern, namespace))
		}
		for _, email := range allowed.Emails {
			allowance.emails.addEmail(identity.LowerEmail(email))
		}
		for _, group := range allowed.Groups {
			allowance.groups.add(strings.ReplaceAll(group, namespaceInPattern, namespace))
		}
	}
	return allowance, nil
}

func includesNamespace(allowed v1alpha1.AllowedMemberships, namespace string, labelsOf LabelsOf) (bool, error) {
	if allowed.NamespaceSelector == nil {
		return slices.Contains(allowed.Namespaces, namespace), nil
	}
	selector, err := metav1.LabelSelectorAsSelector(allowed.NamespaceSelector.Kubernetes())
	if err != nil {
		return false, nil
	}
	its, err := labelsOf(namespace)
	return selector.Matches(labels.Set(its)), err
}

// AllowsNobody reports whether no member may be named.
func (a Allowance) AllowsNobody() bool {
	return a.subjects.isEmpty() && a.emails.isEmpty() && a.groups.isEmpty()
}

// Allows reports whether a member may be named in this way.
func (a Allowance) Allows(member limiterv1.Member) bool {
	switch {
	case member.Subject != "":
		return a.subjects.match(member.Subject)
	case member.Email != "":
		return a.emails.match(member.Email)
	}
	return a.groups.match(member.Group)
}

// patterns match names: whole names, or their beginnings or ends.
type patterns struct {
	all      bool
	exact    map[string]bool
	prefixes []string
	// domains are those of e-mail addresses, with their @.
	domains map[string]bool
}

func (p *patterns) isEmpty() bool {
	return !p.all && len(p.exact) == 0 && len(p.prefixes) == 0 && len(p.domains) == 0
}

// add adds a name, or the beginning of names followed by "*".
func (p *patterns) add(pattern string) {
	prefix, isPrefix := strings.CutSuffix(pattern, "*")
	switch {
	case pattern == "*":
		p.all = true
	case isPrefix:
		p.prefixes = append(p.prefixes, prefix)
	default:
		p.addExact(pattern)
	}
}

// addEmail adds an e-mail address, or "*@" and a domain.
func (p *patterns) addEmail(pattern string) {
	domain, isDomain := strings.CutPrefix(pattern, "*@")
	switch {
	case pattern == "*":
		p.all = true
	case isDomain:
		if p.domains == nil {
			p.domains = map[string]bool{}
		}
		p.domains["@"+domain] = true
	default:
		p.addExact(pattern)
	}
}

func (p *patterns) addExact(name string) {
	if p.exact == nil {
		p.exact = map[string]bool{}
	}
	p.exact[name] = true
}

func (p *patterns) match(name string) bool {
	if p.all || p.exact[name] {
		return true
	}
	if at := strings.LastIndexByte(name, '@'); at >= 0 && p.domains[name[at:]] {
		return true
	}
	return slices.ContainsFunc(p.prefixes, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}
