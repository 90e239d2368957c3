package api

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/identity"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
)

// The defaults of spec.memberKeys, and of how long two keys work at once.
const (
	defaultMemberKeys    = int32(3)
	defaultMemberKeyDays = int32(90)
	defaultOverlapHours  = 24
)

// NewKeyInput says which key is made.
type NewKeyInput struct {
	TenantParameter
	Body NewKey
}

// NewKey is a key to make. Callers who are not admins may choose its name and its expiry; what else they state
// must be what it is anyway.
type NewKey struct {
	Name      string            `json:"name,omitempty" maxLength:"63" pattern:"^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$" patternDescription:"a name of lower-case letters, digits and hyphens" doc:"What the APIKey is called; of who is no admin, with letters and digits at its end that nobody can choose. Default: after its user."`
	User      string            `json:"user,omitempty" maxLength:"128" doc:"Who calls with it. Default: you, if you belong to the tenant."`
	Tier      string            `json:"tier,omitempty" maxLength:"63" doc:"The tier of the calls. Default: yours; admins must say it for others."`
	Groups    []string          `json:"groups,omitempty" maxItems:"16" doc:"The groups of the calls, for admins. Default: yours, of your own key, and none of another's."`
	Labels    map[string]string `json:"labels,omitempty" doc:"The labels of the calls, for admins. Default: as of groups."`
	Models    []string          `json:"models,omitempty" maxItems:"64" doc:"The models that may be asked for, for admins. Default: all."`
	ExpiresAt *time.Time        `json:"expiresAt,omitempty" doc:"When it stops working. Default: never; of who is no admin, after as many days as the tenant allows."`
}

// KeyShown is a key, which is shown once: only its hash is kept.
type KeyShown struct {
	Tenant   string     `json:"tenant"`
	Secret   string     `json:"key" doc:"The key. It is shown this once."`
	APIKey   Key        `json:"apiKey"`
	Previous *time.Time `json:"previousUntil,omitempty" doc:"Until when the key before works. Absent: there is none."`
	Warnings []string   `json:"warnings" nullable:"false" doc:"What the API server and Bursar's webhooks warn of."`
}

// KeyInput names an APIKey.
type KeyInput struct {
	TenantParameter
	Name string `path:"name" maxLength:"253" pattern:"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$" patternDescription:"a name of lower-case letters, digits, hyphens and dots" doc:"The name of the APIKey, without its namespace."`
}

// RotateInput says which key is replaced.
type RotateInput struct {
	KeyInput
	Body struct {
		OverlapHours *int `json:"overlapHours,omitempty" minimum:"0" maximum:"720" doc:"For how many hours the key before works on. Default: 24."`
	}
}

func (a *api) registerKeyChanges(routes huma.API) {
	makes := bounded(changing(http.MethodPost, "createKey", "/keys", "Keys", "Make an API key",
		"Makes an APIKey, and shows its key once. Admins of the tenant make keys for anybody in it. Where spec.memberKeys of the TenantBudget allows it, a user who asks with a token makes keys for themselves, with their own tier, groups and labels."))
	makes.DefaultStatus = http.StatusCreated
	handle(a, routes, makes, a.createKey)
	handle(a, routes, bounded(changing(http.MethodPost, "rotateKey", "/keys/{name}/rotate", "Keys", "Replace an API key",
		"Makes another key of an APIKey, and shows it once. The previous key works for some time longer. For who may make the key.")), a.rotateKey)
	handle(a, routes, changing(http.MethodDelete, "deleteKey", "/keys/{name}", "Keys", "Delete an API key",
		"Deletes an APIKey: its key stops working. For who may make the key."),
		func(ctx context.Context, who auth.Who, in *KeyInput) (*Removed, error) {
			k, err := a.keeping(ctx, who, in.Tenant)
			if err != nil {
				return nil, err
			}
			key, err := a.ownKey(ctx, k, in.Name)
			if err != nil {
				return nil, err
			}
			return a.remove(ctx, who, key, cluster.VersionOf(key))
		})
}

// keeper is a caller who makes, replaces and deletes keys of a tenant.
type keeper struct {
	view
	budget *v1alpha1.TenantBudget
	// tenancy is what the caller is in the tenant, if they belong to it.
	tenancy identity.Tenancy
}

// may reports whether the keeper may replace or delete a key. A member may if the key is like those that
// members make for themselves: a key of another tier could do more than the member.
func (k keeper) may(key *v1alpha1.APIKey) bool {
	spec := key.Spec
	if spec.BudgetRef.Name != k.budget.Name || k.isAdmin() {
		return spec.BudgetRef.Name == k.budget.Name
	}
	return spec.User == k.tenancy.User && string(spec.Tier) == k.tenancy.Tier && spec.ActFor == nil &&
		slices.Equal(names(spec.Groups), k.tenancy.Groups) && maps.Equal(spec.Labels, labelsOf(k.tenancy.Labels))
}

// keeping is what the caller may do with keys of the tenant: an admin everything, and a member what concerns
// their own keys, if the tenant allows it. A caller with an API key makes no keys, so that a stolen key cannot
// be kept in use by making others.
func (a *api) keeping(ctx context.Context, who auth.Who, tenant string) (keeper, error) {
	v, err := a.view(ctx, who, tenant, auth.Member)
	if err != nil {
		return keeper{}, err
	}
	budget, err := a.Cluster.Budget(ctx, v.tenant)
	if err != nil {
		return keeper{}, err
	}
	k := keeper{view: v, budget: budget}
	k.tenancy, _ = who.In(v.tenant)
	switch {
	case k.isAdmin():
	case budget.Spec.MemberKeys == nil:
		return k, forbidden("the tenant does not let its members make keys (spec.memberKeys of the TenantBudget): ask an admin of it")
	case who.Claims == nil:
		return k, forbidden("sign in to make keys for yourself: only admins of the tenant make keys with a key")
	}
	return k, nil
}

// rules say which keys the keeper may make.
func (k keeper) rules() *KeyRules {
	if k.isAdmin() {
		return &KeyRules{ForOthers: true}
	}
	return &KeyRules{MaxDays: ptr.To(ptr.Deref(k.budget.Spec.MemberKeys.MaxDays, defaultMemberKeyDays))}
}

// changed is a key that was just made or replaced.
func (a *api) changed(key *v1alpha1.APIKey) Key {
	k := keyOf(key, a.Now())
	k.MayChange = true
	return k
}

func (a *api) createKey(ctx context.Context, who auth.Who, in *NewKeyInput) (*KeyShown, error) {
	k, err := a.keeping(ctx, who, in.Tenant)
	if err != nil {
		return nil, err
	}
	spec, err := a.specOf(k, in.Body)
	if err != nil {
		return nil, err
	}
	if err := a.made.take(k, who, a.Now()); err != nil {
		return nil, err
	}
	secret, hash := limiterv1.MakeKey(k.budget.Namespace)
	spec.SHA256, spec.BudgetRef = hash, v1alpha1.BudgetRef{Name: k.budget.Name}
	key := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: k.budget.Namespace, Name: k.nameOf(in.Body.Name, spec.User)}, Spec: *spec}
	var warnings []string
	create := func(ctx context.Context) (err error) {
		warnings, err = a.by(who).Create(ctx, key)
		return err
	}
	if k.isAdmin() {
		err = create(ctx)
	} else {
		err = a.ifFew(ctx, k, who, create)
	}
	if err != nil {
		return nil, err
	}
	return &KeyShown{Tenant: k.tenant, Secret: secret, APIKey: a.changed(key), Warnings: append([]string{}, warnings...)}, nil
}

// ifFew makes a key of a member if the member has fewer keys in the cluster than they may have. No other key of
// the member is made at the same time.
func (a *api) ifFew(ctx context.Context, k keeper, who auth.Who, create func(context.Context) error) error {
	return a.Locks.Hold(ctx, "keys of "+k.tenant+" "+k.tenancy.User, func(ctx context.Context) error {
		var keys v1alpha1.APIKeyList
		if err := a.by(who).List(ctx, &keys, k.budget.Namespace); err != nil {
			return err
		}
		theirs := 0
		for i := range keys.Items {
			if spec := &keys.Items[i].Spec; spec.BudgetRef.Name == k.budget.Name && spec.User == k.tenancy.User {
				theirs++
			}
		}
		if most := ptr.Deref(k.budget.Spec.MemberKeys.Max, defaultMemberKeys); theirs >= int(most) {
			return problem(http.StatusConflict, "too_many_keys", "Too many keys", fmt.Sprintf("you have %d keys, and may have no more than %d: delete one", theirs, most))
		}
		return create(ctx)
	})
}

// nameOf is the name of a key. A member does not choose all of it, because grants and records refer to names,
// and because a key that comes from Git later would take over an APIKey of its name, with the hashes in it.
func (k keeper) nameOf(asked, user string) string {
	if asked != "" && k.isAdmin() {
		return asked
	}
	return nameFor(cmp.Or(asked, user))
}

// specOf is the spec of the key that the caller asks for.
func (a *api) specOf(k keeper, asked NewKey) (*v1alpha1.APIKeySpec, error) {
	if asked.ExpiresAt != nil && !asked.ExpiresAt.After(a.Now()) {
		return nil, invalid("body.expiresAt", "must be in the future")
	}
	own := k.tenancy.User != "" && (asked.User == "" || asked.User == k.tenancy.User)
	if own {
		asked.User = k.tenancy.User
		if asked.Tier == "" {
			asked.Tier = k.tenancy.Tier
		}
		if asked.Groups == nil {
			asked.Groups = k.tenancy.Groups
		}
		if asked.Labels == nil {
			asked.Labels = k.tenancy.Labels
		}
	}
	if err := missing(asked); err != nil {
		return nil, err
	}
	if !k.isAdmin() {
		if err := a.checkMember(k, own, &asked); err != nil {
			return nil, err
		}
	}
	spec := &v1alpha1.APIKeySpec{User: asked.User, Tier: v1alpha1.Tier(asked.Tier), Models: asked.Models, Labels: labelsOf(asked.Labels)}
	for _, group := range asked.Groups {
		spec.Groups = append(spec.Groups, v1alpha1.GivenGroup(group))
	}
	if asked.ExpiresAt != nil {
		spec.ExpiresAt = ptr.To(metav1.NewTime(asked.ExpiresAt.UTC().Truncate(time.Second)))
	}
	return spec, nil
}

func labelsOf(labels map[string]string) v1alpha1.CallerLabels {
	given := v1alpha1.CallerLabels{}
	for name, value := range labels {
		given[name] = v1alpha1.CallerLabel(value)
	}
	return given
}

func missing(asked NewKey) error {
	switch {
	case asked.User == "":
		return invalid("body.user", "is required: you do not belong to the tenant")
	case asked.Tier == "":
		return invalid("body.tier", "is required")
	}
	return nil
}

// checkMember refuses a member's key that could do more than the member, and sets the latest expiry that it may
// have.
func (a *api) checkMember(k keeper, own bool, asked *NewKey) error {
	if !own {
		return forbidden("you may make keys only for yourself: ask an admin of the tenant for another's")
	}
	same := asked.Tier == k.tenancy.Tier && slices.Equal(asked.Groups, k.tenancy.Groups) && maps.Equal(asked.Labels, k.tenancy.Labels) && len(asked.Models) == 0
	if !same {
		return forbidden("your keys have your own tier, groups and labels, and all models: leave these out")
	}
	latest := a.Now().AddDate(0, 0, int(*k.rules().MaxDays))
	if asked.ExpiresAt == nil {
		asked.ExpiresAt = &latest
	}
	if asked.ExpiresAt.After(latest) {
		return invalid("body.expiresAt", "must be no later than "+latest.UTC().Format(time.RFC3339)+" (spec.memberKeys.maxDays of the TenantBudget)")
	}
	return nil
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// nameFor is a unique name for an APIKey that begins with a text, such as the user.
func nameFor(text string) string {
	bits := make([]byte, 4)
	_, _ = rand.Read(bits) // it never fails
	name := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(text), "-"), "-")
	return strings.Trim(name[:min(len(name), 48)]+"-"+hex.EncodeToString(bits), "-")
}

// ownKey is an APIKey that the keeper may change, as the console knows it.
func (a *api) ownKey(ctx context.Context, k keeper, name string) (*v1alpha1.APIKey, error) {
	keys, err := a.Cluster.Keys(ctx, k.tenant)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(keys, func(key v1alpha1.APIKey) bool { return key.Name == name })
	if at < 0 || !k.may(&keys[at]) {
		return nil, notFound("there is no such key, or it is not yours")
	}
	return &keys[at], nil
}

func (a *api) rotateKey(ctx context.Context, who auth.Who, in *RotateInput) (*KeyShown, error) {
	k, err := a.keeping(ctx, who, in.Tenant)
	if err != nil {
		return nil, err
	}
	if err := a.made.take(k, who, a.Now()); err != nil {
		return nil, err
	}
	overlap := time.Duration(ptr.Deref(in.Body.OverlapHours, defaultOverlapHours)) * time.Hour
	secret, hash := limiterv1.MakeKey(k.budget.Namespace)
	var until metav1.Time
	key := &v1alpha1.APIKey{ObjectMeta: metav1.ObjectMeta{Namespace: k.budget.Namespace, Name: in.Name}}
	warnings, err := a.by(who).Change(ctx, client.Object(key), "", func() error {
		if !k.may(key) {
			return notFound("there is no such key, or it is not yours")
		}
		var ok bool
		if until, ok = key.Spec.ReplaceKey(hash, overlap, a.Now()); !ok {
			return problem(http.StatusConflict, "too_many_keys", "Too many keys", fmt.Sprintf("%d replaced keys still work: wait until one expires, or delete the APIKey and make another", v1alpha1.MaxPreviousKeys))
		}
		return nil
	})
	if err != nil {
		return nil, notToCommit(err)
	}
	return &KeyShown{Tenant: k.tenant, Secret: secret, APIKey: a.changed(key), Previous: utc(&until.Time), Warnings: append([]string{}, warnings...)}, nil
}

// notToCommit is the error about a key that others manage, without the change to commit: the hash in it is that
// of a key that nobody was shown.
func notToCommit(err error) error {
	var managed *cluster.ManagedError
	if !errors.As(err, &managed) {
		return err
	}
	p := ofManaged(managed)
	p.Patch = ""
	p.Detail = "The APIKey is managed elsewhere, and a key that is made here would be undone: make one with \"kubectl budget key rotate\", and commit its hash there."
	return p
}
