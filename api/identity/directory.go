package identity

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
)

// Tenancy is a tenant that a caller belongs to, and what the caller is there.
type Tenancy struct {
	Tenant string
	User   string
	Tier   string
	// Groups are those of the token and of the member, sorted, once each.
	Groups []string
	// Labels are those of the token and of the member, whose values take precedence.
	Labels map[string]string
	// Admin is whether the caller administers the tenant.
	Admin bool
	// Default is whether the tenant pays if the caller belongs to several and names none.
	Default bool
	// Membership is the "namespace/name" of the Membership that counts; empty if only the
	// token names the tenant.
	Membership string
	// ActFor is the users of the tenant that the caller may call for; nil for nobody else.
	ActFor *limiterv1.ActFor
}

// Directory is the members of all Memberships. Any number of goroutines may read while one
// writes.
type Directory struct {
	places sync.Map // key -> []place, in the order in which they count
	// keys are the keys that each Membership has. Only the writer uses them.
	keys       map[string]map[key]place
	generation atomic.Uint64
}

// kind is how a member is named; a lower kind takes precedence.
type kind uint8

const (
	bySubject kind = iota
	byEmail
	byGroup
)

// key is what a caller must have to be a member.
type key struct {
	provider string
	kind     kind
	value    string
}

// place is an entry of a Membership.
type place struct {
	membership, tenant string
	// index is its position in the Membership.
	index  int
	member limiterv1.Member
}

// NewDirectory is a Directory without members.
func NewDirectory() *Directory { return &Directory{keys: map[string]map[key]place{}} }

// Generation changes with every change.
func (d *Directory) Generation() uint64 { return d.generation.Load() }

// Put puts a Membership in the place of the one with its name, in time proportional to their
// members. A caller who is a member by both remains one throughout.
func (d *Directory) Put(members limiterv1.Members) {
	after := placesOf(members)
	before := d.keys[members.Name]
	for k, p := range after {
		d.set(k, members.Name, &p)
	}
	for k := range before {
		if _, stays := after[k]; !stays {
			d.set(k, members.Name, nil)
		}
	}
	d.keys[members.Name] = after
	d.generation.Add(1)
}

// Withdraw removes a Membership.
func (d *Directory) Withdraw(name string) {
	for k := range d.keys[name] {
		d.set(k, name, nil)
	}
	delete(d.keys, name)
	d.generation.Add(1)
}

// placesOf are the entries of a Membership, the first of each key.
func placesOf(members limiterv1.Members) map[key]place {
	places := make(map[key]place, len(members.Members))
	for i, member := range members.Members {
		k := keyOf(members.Provider, member)
		if _, isThere := places[k]; !isThere && k.value != "" {
			places[k] = place{membership: members.Name, tenant: members.Tenant, index: i, member: member}
		}
	}
	return places
}

func keyOf(provider string, member limiterv1.Member) key {
	switch {
	case member.Subject != "":
		return key{provider, bySubject, member.Subject}
	case member.Email != "":
		return key{provider, byEmail, LowerEmail(member.Email)}
	}
	return key{provider, byGroup, member.Group}
}

func (d *Directory) at(k key) []place {
	places, _ := d.places.Load(k)
	found, _ := places.([]place)
	return found
}

// set replaces a Membership's entry for a key; nil removes it.
func (d *Directory) set(k key, membership string, entry *place) {
	places := slices.DeleteFunc(slices.Clone(d.at(k)), func(p place) bool { return p.membership == membership })
	if entry != nil {
		at, _ := slices.BinarySearchFunc(places, *entry, before)
		places = slices.Insert(places, at, *entry)
	}
	if len(places) == 0 {
		d.places.Delete(k)
		return
	}
	d.places.Store(k, places)
}

// before orders entries that name a caller in the same way: by the names of their
// Memberships, and within one by their positions.
func before(a, b place) int {
	return cmp.Or(strings.Compare(a.membership, b.membership), cmp.Compare(a.index, b.index))
}

// Tenancies are the tenants that a caller belongs to, sorted by name. If several entries of
// a tenant match, one counts: an entry with the caller's subject takes precedence over one
// with the e-mail address, and that over one with a group. Among entries of one kind, the
// one of the first Membership by namespace and name counts, and within that the first.
func (d *Directory) Tenancies(c Claims) []Tenancy {
	found := map[string]place{}
	d.match(found, key{c.Provider, bySubject, c.Subject})
	if c.Email != "" {
		d.match(found, key{c.Provider, byEmail, c.Email})
	}
	groups := map[string]place{}
	for _, group := range c.Groups {
		d.match(groups, key{c.Provider, byGroup, group})
	}
	for tenant, p := range groups {
		if _, isThere := found[tenant]; !isThere {
			found[tenant] = p
		}
	}
	tenancies := make([]Tenancy, 0, len(found)+len(c.Tenants))
	for _, tenant := range c.Tenants {
		p, isMember := found[tenant]
		delete(found, tenant)
		if !isMember {
			p = place{tenant: tenant}
		}
		p.member.Admin = p.member.Admin || c.Admin
		tenancies = append(tenancies, p.tenancy(c))
	}
	for p := range maps.Values(found) {
		tenancies = append(tenancies, p.tenancy(c))
	}
	slices.SortFunc(tenancies, func(a, b Tenancy) int { return strings.Compare(a.Tenant, b.Tenant) })
	return tenancies
}

// match adds, for each tenant, the entry for the key, unless an entry that takes precedence
// was found.
func (d *Directory) match(found map[string]place, k key) {
	for _, p := range d.at(k) {
		other, isThere := found[p.tenant]
		if !isThere || keyOf(k.provider, other.member).kind == k.kind && before(p, other) < 0 {
			found[p.tenant] = p
		}
	}
}

// tenancy is the caller's tenancy by the entry.
func (p place) tenancy(c Claims) Tenancy {
	groups := c.Groups
	if len(p.member.Groups) > 0 {
		groups = slices.Concat(c.Groups, p.member.Groups)
		slices.Sort(groups)
		groups = slices.Compact(groups)
	}
	return Tenancy{
		Tenant: p.tenant,
		User:   cmp.Or(p.member.User, c.User),
		Tier:   cmp.Or(p.member.Tier, c.Tier),
		Groups: groups, Labels: p.labels(c),
		Admin: p.member.Admin, Default: p.member.Default, Membership: p.membership, ActFor: p.member.ActFor,
	}
}

// labels are the labels of the entry, and those of the token that the entry does not name.
func (p place) labels(c Claims) map[string]string {
	if len(p.member.Labels) == 0 {
		return c.Labels
	}
	labels := maps.Clone(p.member.Labels)
	for name, value := range c.Labels {
		if _, isThere := labels[name]; !isThere {
			labels[name] = value
		}
	}
	return labels
}
