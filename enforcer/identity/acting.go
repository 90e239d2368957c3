package identity

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/enforcer/admission"
	"github.com/bursar-dev/bursar/enforcer/protocol"
)

// The fields of a request that say whom it is made for. They count only beside a credential
// that may act for others; nobody else's are read.
const (
	// UserHeader names the user.
	UserHeader = "X-Bursar-User"
	// TierHeader names the user's tier; without it, that is the tier of the credential.
	TierHeader = "X-Bursar-Tier"
)

// act is the subject of a request that the subject's credential, which may act for others,
// makes for one: the subject itself where the request names nobody. What the grant does not
// allow, and what can be nobody's name, is refused rather than passed over, so that no call
// is counted for another than its caller means.
func act(subject admission.Subject, grant limiterv1.ActFor, header protocol.HeaderView) (admission.Subject, error) {
	user, namesUser, err := named(header, UserHeader)
	if err != nil {
		return admission.Subject{}, err
	}
	tier, namesTier, err := named(header, TierHeader)
	switch {
	case err != nil:
		return admission.Subject{}, err
	case namesTier && !namesUser:
		return admission.Subject{}, mayNot("the header %s counts only beside the header %s: send both", TierHeader, UserHeader)
	case !namesUser:
		return subject, nil
	case !identity.IsUser(user):
		return admission.Subject{}, mayNot(
			"the header %s must be the name of a user: at most 128 letters, digits and . _ @ + -, the first a letter or a digit", UserHeader)
	case !limiterv1.Matches(grant.Users, user):
		return admission.Subject{}, mayNot("the header %s names a user that this credential may not act for: it may act for %s",
			UserHeader, strings.Join(grant.Users, ", "))
	}
	if !namesTier {
		tier = subject.Tier
	}
	if tier != subject.Tier && !slices.Contains(grant.Tiers, tier) {
		return admission.Subject{}, mayNot("the header %s names a tier that this credential may not name: it may name %s",
			TierHeader, tiersOf(subject, grant))
	}
	subject.Actor, subject.User, subject.Tier = subject.User, user, tier
	subject.Admin = false // it is the credential that administers the tenant, and not whom it names
	return subject, nil
}

// named is the only value of a header field, if there is one.
func named(header protocol.HeaderView, field string) (value string, isThere bool, err error) {
	switch values := header.Values(field); len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	}
	return "", false, mayNot("the header %s is there more than once: send one", field)
}

// tiersOf are the tiers that a credential may name, its own first.
func tiersOf(subject admission.Subject, grant limiterv1.ActFor) string {
	tiers := slices.Clone(grant.Tiers)
	if subject.Tier != "" && !slices.Contains(tiers, subject.Tier) {
		tiers = slices.Insert(tiers, 0, subject.Tier)
	}
	if len(tiers) == 0 {
		return "none"
	}
	return strings.Join(tiers, ", ")
}

// mayNot is what a caller is told that may act for others, and not so. Of the request, it
// has no more than the names of header fields.
func mayNot(format string, args ...any) *Error {
	return &Error{
		Reason: ActingForbidden, Status: Forbidden, Code: "acting_forbidden", Title: "Acting not allowed",
		Message: fmt.Sprintf(format, args...),
	}
}
