package analysis

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/nearest"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// known are hashes of keys that everybody knows, and what they are the hashes of.
var known = map[string]string{
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855": "nothing: the variable with the key was empty",
	"01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b": "a line break: the variable with the key was empty",
}

// OfAPIKey finds what is surely not meant in an APIKey. The document is that of its tenant, nil
// where there is none; users are those of the namespace's keys.
func OfAPIKey(key *v1alpha1.APIKey, document *limiterv1.Tenant, users []string) []Warning {
	var f found
	spec := field.NewPath("spec")
	if of := known[key.Spec.SHA256]; of != "" {
		f.warn(spec.Child("sha256"), "is the hash of %s", of)
	}
	for _, user := range slices.Sorted(slices.Values(users)) {
		if user != key.Spec.User && strings.EqualFold(user, key.Spec.User) {
			f.warn(spec.Child("user"), "%q and %q, of another APIKey, are two users, each with limits of their own: spell both the same way", key.Spec.User, user)
			break
		}
	}
	f.actsForNobody(spec.Child("actFor", "users"), key.Spec.ActFor, key.Spec.User)
	if document == nil {
		return f
	}
	f.tier(spec.Child("tier"), string(key.Spec.Tier), *document)
	f.actingTiers(spec.Child("actFor"), key.Spec.ActFor, *document)
	return f
}

// actsForNobody finds patterns that match no user whom a credential could act for, and patterns
// that name only the credential's own user.
func (f *found) actsForNobody(path *field.Path, actFor *v1alpha1.ActFor, user string) {
	if actFor == nil {
		return
	}
	for i, pattern := range actFor.Users {
		if prefix, _, _ := strings.Cut(pattern, "*"); prefix != "" && !identity.IsUser(prefix) {
			f.noEffect(path.Index(i), "%q matches no user: the name of a user begins with a letter or a digit", pattern)
		}
	}
	if user != "" && !slices.ContainsFunc(actFor.Users, func(other string) bool { return other != user }) {
		f.noEffect(path, "names only %q, the credential's own user: name the users that it may act for", user)
	}
}

// actingTiers finds tiers of actFor whose users are not limited as others are.
func (f *found) actingTiers(path *field.Path, actFor *v1alpha1.ActFor, document limiterv1.Tenant) {
	if actFor == nil {
		return
	}
	for i, tier := range actFor.Tiers {
		f.tier(path.Child("tiers").Index(i), string(tier), document)
	}
}

// tier finds that the users of a tier are not limited as others are.
func (f *found) tier(path *field.Path, tier string, document limiterv1.Tenant) {
	names := tiersIn(document)
	switch why := unlimited(tier, document); {
	case document.RefusesTier(tier) != "":
		f.warn(path, "calls are refused: no limit of RateLimitPolicy %s selects tier %q%s", document.RefusesTier(tier), tier, nearest.DidYouMean(tier, names))
	case why != "":
		f.warn(path, "is %s", why)
	case !slices.Contains(names, tier) && nearest.Name(tier, names) != "":
		f.warn(path, "is %q, which no limit names%s", tier, nearest.DidYouMean(tier, names))
	}
}
