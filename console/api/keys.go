package api

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/auth"
)

// Keys are API keys. Nothing in them tells the keys themselves: only hashes are kept, and these
// are not told, either.
type Keys struct {
	Tenant string    `json:"tenant"`
	Keys   []Key     `json:"keys" nullable:"false" doc:"By their names."`
	Making *KeyRules `json:"making,omitempty" doc:"Which keys you may make. Absent: none."`
}

// KeyRules say which keys the caller may make.
type KeyRules struct {
	ForOthers bool   `json:"forOthers" doc:"Whether you make keys for anybody in the tenant, of any tier."`
	MaxDays   *int32 `json:"maxDays,omitempty" doc:"After how many days at the latest a key that you make stops working. Absent: never."`
}

// Key is an APIKey.
type Key struct {
	Name      string     `json:"name" doc:"The APIKey, as calls name it in the ledger: namespace/name."`
	User      string     `json:"user"`
	Tier      string     `json:"tier"`
	CreatedAt time.Time  `json:"createdAt"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty" doc:"When it stops working. Absent: never."`
	Expired   bool       `json:"expired"`
	LastUsed  *time.Time `json:"lastUsed,omitempty" doc:"The hour in which somebody last called with it; it follows within half an hour, as a rule. Absent: nobody has since this is recorded."`
	Ready     Condition  `json:"ready" doc:"Whether it works as written."`
	Previous  *time.Time `json:"previousUntil,omitempty" doc:"Until when the last of the keys works that it had before. Absent: none does."`
	MayChange bool       `json:"mayChange" doc:"Whether you may replace and delete it, unless others manage it, such as GitOps."`
}

func (a *api) registerKeys(routes huma.API) {
	handle(a, routes, get("keys", "/keys", "Keys", "API keys", "What there is to know of API keys, except the keys. A user sees their own, an admin those of the tenant."),
		func(ctx context.Context, who auth.Who, in *TenantParameter) (*Keys, error) {
			v, err := a.view(ctx, who, in.Tenant, auth.Member)
			if err != nil {
				return nil, err
			}
			found, err := a.Cluster.Keys(ctx, v.tenant)
			if err != nil {
				return nil, err
			}
			answer := &Keys{Tenant: v.tenant, Keys: []Key{}}
			k, refused := a.keeping(ctx, who, v.tenant)
			if refused == nil {
				answer.Making = k.rules()
			}
			for i := range found {
				if v.isAdmin() || found[i].Spec.User == v.user {
					key := keyOf(&found[i], a.Now())
					key.MayChange = refused == nil && k.may(&found[i])
					answer.Keys = append(answer.Keys, key)
				}
			}
			return answer, nil
		})
}

func keyOf(key *v1alpha1.APIKey, now time.Time) Key {
	k := Key{
		Name: key.Namespace + "/" + key.Name, User: key.Spec.User, Tier: string(key.Spec.Tier), CreatedAt: key.CreationTimestamp.UTC(),
		Ready: conditionOf(key.Status.Conditions, v1alpha1.ConditionReady),
	}
	if expires := key.Spec.ExpiresAt; expires != nil {
		k.ExpiresAt, k.Expired = utc(&expires.Time), !now.Before(expires.Time)
	}
	if used := key.Status.LastUsedTime; used != nil {
		k.LastUsed = utc(&used.Time)
	}
	for _, before := range key.Spec.PreviousKeys {
		if until := before.ExpiresAt; until.After(now) && (k.Previous == nil || until.After(*k.Previous)) {
			k.Previous = utc(&until.Time)
		}
	}
	return k
}

// conditionOf is a condition of an object; Unknown where it has none of the type.
func conditionOf(conditions []metav1.Condition, kind string) Condition {
	found := meta.FindStatusCondition(conditions, kind)
	if found == nil {
		return Condition{Status: string(metav1.ConditionUnknown)}
	}
	return Condition{string(found.Status), found.Reason, found.Message}
}
