package identity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/api/identity"
	"github.com/bursar-dev/bursar/api/identity/identify"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// The header fields that name the user for whom a request is made. They are read only with a
// credential that may act for others.
const (
	// UserHeader names the user.
	UserHeader = "X-Bursar-User"
	// TierHeader names the user's tier; without it, that is the tier of the credential.
	TierHeader = "X-Bursar-Tier"
	// GroupsHeader names groups of the user, with commas between them. The user is in the groups
	// of the credential, too.
	GroupsHeader = "X-Bursar-Groups"
)

// act is the subject for whom a request is made with the credential of subject, which may act
// for others: subject itself if the request names nobody. Names that the grant does not allow,
// or that are not valid, are refused rather than ignored, so that no call is counted for anyone
// other than its caller means. Nobody acts as an administrator.
func act(subject admission.Subject, grant limiterv1.ActFor, header protocol.HeaderView) (admission.Subject, error) {
	named, err := namesIn(header)
	if err != nil {
		return admission.Subject{}, err
	}
	if named.user == nil {
		return subject, nil
	}
	acting := subject
	acting.Actor, acting.Admin = subject.User, false
	if acting.User, err = userFor(*named.user, grant); err != nil {
		return admission.Subject{}, err
	}
	if named.tier != nil {
		if acting.Tier, err = tierFor(*named.tier, subject, grant); err != nil {
			return admission.Subject{}, err
		}
	}
	if named.groups != nil {
		if acting.Groups, err = groupsFor(*named.groups, subject, grant); err != nil {
			return admission.Subject{}, err
		}
	}
	return acting, nil
}

// names are the values of the header fields; nil for a field that was not sent.
type names struct{ user, tier, groups *string }

func namesIn(header protocol.HeaderView) (n names, err error) {
	for _, field := range []struct {
		name string
		into **string
	}{{UserHeader, &n.user}, {TierHeader, &n.tier}, {GroupsHeader, &n.groups}} {
		switch values := header.Values(field.name); len(values) {
		case 0:
		case 1:
			*field.into = &values[0]
		default:
			return names{}, mayNot("the header %s was sent more than once: send it once", field.name)
		}
	}
	switch {
	case n.user != nil:
	case n.tier != nil:
		return names{}, mayNot("the header %s is read only together with the header %s: send both", TierHeader, UserHeader)
	case n.groups != nil:
		return names{}, mayNot("the header %s is read only together with the header %s: send both", GroupsHeader, UserHeader)
	}
	return n, nil
}

func userFor(user string, grant limiterv1.ActFor) (string, error) {
	switch {
	case !identity.IsUser(user):
		return "", mayNot("the header %s must be the name of a user: at most 128 letters, digits and . _ @ + -, the first a letter or a digit", UserHeader)
	case !limiterv1.Matches(grant.Users, user):
		return "", mayNot("the header %s names a user that this credential may not act for: it may act for %s", UserHeader, someOf(grant.Users))
	}
	return user, nil
}

func tierFor(tier string, subject admission.Subject, grant limiterv1.ActFor) (string, error) {
	own := slices.DeleteFunc([]string{subject.Tier}, func(tier string) bool { return tier == "" || slices.Contains(grant.Tiers, tier) })
	if allowed := slices.Concat(own, grant.Tiers); !slices.Contains(allowed, tier) {
		return "", mayNot("the header %s names a tier that this credential may not name: it may name %s", TierHeader, someOf(allowed))
	}
	return tier, nil
}

// groupsFor are the groups of the credential and those that are named, sorted, once each.
func groupsFor(list string, subject admission.Subject, grant limiterv1.ActFor) ([]string, error) {
	groups := slices.Clone(subject.Groups)
	for group := range strings.SplitSeq(list, ",") {
		group = strings.Trim(group, " ")
		switch {
		case !identity.IsGroup(group):
			return nil, mayNot("the header %s must list groups, separated by commas, each of at most 63 letters, digits and . _ -, the first and the last a letter or a digit",
				GroupsHeader)
		case !slices.Contains(subject.Groups, group) && !limiterv1.Matches(grant.Groups, group):
			return nil, mayNot("the header %s names a group that this credential may not name: it may name %s",
				GroupsHeader, someOf(slices.Concat(subject.Groups, grant.Groups)))
		}
		groups = append(groups, group)
	}
	slices.Sort(groups)
	if groups = slices.Compact(groups); len(groups) > identity.MaxCallerGroups {
		return nil, mayNot("with the header %s, the user is in %d groups, of which there may be %d: name fewer", GroupsHeader, len(groups), identity.MaxCallerGroups)
	}
	return groups, nil
}

// mostTold is the most names that a message lists.
const mostTold = 20

// someOf lists names for a message.
func someOf(allowed []string) string {
	switch more := len(allowed) - mostTold; {
	case len(allowed) == 0:
		return "none"
	case more > 0:
		return fmt.Sprintf("%s and %d more", strings.Join(allowed[:mostTold], ", "), more)
	}
	return strings.Join(allowed, ", ")
}

// mayNot is the error for a caller that may act for others, but not as the request says. It
// repeats nothing of the request except the names of header fields.
func mayNot(format string, args ...any) *identify.Error {
	return &identify.Error{
		Reason: identify.ActingForbidden, Status: identify.Forbidden, Code: "acting_forbidden", Title: "Acting not allowed",
		Message: fmt.Sprintf(format, args...),
	}
}
