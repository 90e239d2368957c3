package limiterv1

import (
	"slices"
	"strings"
)

// Scope says whose calls a limit counts together.
type Scope string

// The scopes of a limit. Those after the first count each of their owners apart.
const (
	PerTenant Scope = "Tenant"
	PerUser   Scope = "User"
	// PerGroup counts each group of the caller that the limit selects: a call counts in all of
	// them.
	PerGroup Scope = "Group"
	// PerKey counts each APIKey. A call with a token has no APIKey, and does not count.
	PerKey Scope = "Key"
)

// Scopes are all scopes.
func Scopes() []Scope { return append([]Scope{PerTenant}, OwnerScopes()...) }

// OwnerScopes are those that count owners, in the order in which their limits refuse, after
// those of the tenant.
func OwnerScopes() []Scope { return []Scope{PerUser, PerGroup, PerKey} }

// Owner is the owner of counters within a tenant: one of the fields is set. The zero Owner
// is the whole tenant.
//
// A struct that embeds an Owner gets its String method, and prints as the Owner alone: embed
// it only if its fields are to be among those of the JSON.
type Owner struct {
	User  string `json:"user,omitempty"`
	Group string `json:"group,omitempty"`
	// Key is the name of an APIKey, "namespace/name".
	Key string `json:"key,omitempty"`
}

// OwnerOf is the owner with the name that limits of the scope count.
func OwnerOf(per Scope, name string) Owner {
	switch per {
	case PerUser:
		return Owner{User: name}
	case PerGroup:
		return Owner{Group: name}
	case PerKey:
		return Owner{Key: name}
	}
	return Owner{}
}

// Scope is that of the limits that count the owner.
func (o Owner) Scope() Scope {
	switch {
	case o.User != "":
		return PerUser
	case o.Group != "":
		return PerGroup
	case o.Key != "":
		return PerKey
	}
	return PerTenant
}

// Name is the name of the user, the group or the key; empty for the whole tenant.
func (o Owner) Name() string { return o.User + o.Group + o.Key }

// IsTenant reports whether it is the whole tenant.
func (o Owner) IsTenant() bool { return o == Owner{} }

// String is the owner in a sentence, such as "group research"; empty for the whole tenant.
func (o Owner) String() string {
	if o.IsTenant() {
		return ""
	}
	return o.Scope().word() + " " + o.Name()
}

// word is an owner of the scope: "user", "group" or "key".
func (s Scope) word() string { return strings.ToLower(string(s)) }

// Caller is what limits know of a caller.
type Caller struct {
	User string
	// Key is the name of the APIKey, "namespace/name"; empty for a caller with a token.
	Key string
	// Tier is empty for a caller without one.
	Tier   string
	Groups []string
	Labels map[string]string
}

// Owners are the owners that a limit of the scope charges for a call of the caller, if the
// selector selects the call: the whole tenant, the user, the groups that are selected, or the
// key.
func (s Selector) Owners(per Scope, by Caller) (owners []Owner) {
	switch {
	case per == PerTenant:
		return []Owner{{}}
	case per == PerUser:
		return []Owner{{User: by.User}}
	case per == PerKey && by.Key != "":
		return []Owner{{Key: by.Key}}
	case per == PerGroup:
		for _, group := range by.Groups {
			if s.CountsFor(Owner{Group: group}) {
				owners = append(owners, Owner{Group: group})
			}
		}
	}
	return owners
}

// CountsFor reports whether a limit with the selector, and the scope of the owner, counts the
// owner. It does not count groups that it does not name.
func (s Selector) CountsFor(owner Owner) bool {
	return owner.Group == "" || len(s.Groups) == 0 || slices.Contains(s.Groups, owner.Group)
}

// Selects reports whether a call of the model by the caller counts.
func (s Selector) Selects(by Caller, model string) bool {
	return (len(s.Tiers) == 0 || slices.Contains(s.Tiers, by.Tier)) &&
		(len(s.Models) == 0 || slices.Contains(s.Models, model)) &&
		(len(s.Groups) == 0 || slices.ContainsFunc(s.Groups, func(group string) bool { return slices.Contains(by.Groups, group) })) &&
		s.selectsLabels(by.Labels)
}

func (s Selector) selectsLabels(labels map[string]string) bool {
	for name, value := range s.Labels {
		if got, has := labels[name]; !has || got != value {
			return false
		}
	}
	return true
}

// FieldOfAll stands for a field of the counters of all owners of the scope in a tenant; for
// the tenant itself, it is the field. Fields of the tenant's counters use such names to say
// what is valid, and what was broken.
func FieldOfAll(per Scope, field string) string {
	if per == PerTenant {
		return field
	}
	return per.word() + "s:" + field
}

func ownerKey(root string, epoch Epoch, tenant string, per Scope, name string) string {
	return shardKey(Shard(root), per.word(), epoch.Token(), tenant, name)
}

// CountersKey is the hash of the counters of an owner within a tenant under an epoch, or of the
// whole tenant. Counters of owners under other epochs are no longer read, and expire.
func CountersKey(root string, epoch Epoch, tenant string, owner Owner) string {
	if owner.IsTenant() {
		return TenantCountersKey(root, tenant)
	}
	return ownerKey(root, epoch, tenant, owner.Scope(), owner.Name())
}

// OwnerOfKey is the owner whose counters a CountersKey has, and whether it is an owner within
// the tenant under the epoch.
func OwnerOfKey(root string, epoch Epoch, tenant, key string) (owner Owner, ok bool) {
	for _, per := range OwnerScopes() {
		if name, ok := strings.CutPrefix(key, ownerKey(root, epoch, tenant, per, "")); ok {
			return OwnerOf(per, name), name != ""
		}
	}
	return Owner{}, false
}

// Counts reports whether a limit of the level has the scope.
func (l Level) Counts(per Scope) bool {
	return slices.ContainsFunc(l.Money, func(l MoneyLimit) bool { return l.Per == per }) ||
		slices.ContainsFunc(l.Rates, func(l RateLimit) bool { return l.Per == per })
}

// IsAll reports whether the selector selects all calls.
func (s Selector) IsAll() bool {
	return len(s.Tiers) == 0 && len(s.Models) == 0 && len(s.Groups) == 0 && len(s.Labels) == 0
}
