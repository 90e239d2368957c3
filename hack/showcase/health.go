package showcase

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

// makeProviders makes the ModelProviders of the models, one of which does not answer.
func (s *Showcase) makeProviders(ctx context.Context) error {
	for _, name := range []string{"openai", "anthropic", "google"} {
		protocol := map[string]string{"anthropic": "Anthropic", "google": "Gemini"}[name]
		provider := &v1alpha1.ModelProvider{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec:       v1alpha1.ModelProviderSpec{Protocol: protocol, Endpoint: "https://" + name + ".example/v1", CredentialFile: name},
		}
		for _, m := range models() {
			if m.provider == name {
				provider.Spec.Models = append(provider.Spec.Models, v1alpha1.Model{
					Name: m.name, MaxOutputTokens: 16_000, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: price(m.input), Output: price(m.output)}},
				})
			}
		}
		if err := s.create(ctx, provider); err != nil {
			return err
		}
		if err := s.tellProvider(ctx, provider, name == "google"); err != nil {
			return err
		}
	}
	return nil
}

// price is a price in dollars.
func price(cents int64) v1alpha1.Price {
	return v1alpha1.Price(fmt.Sprintf("%d.%02d", cents/100, cents%100))
}

// tellProvider writes what enforcers have seen into the status of a provider.
func (s *Showcase) tellProvider(ctx context.Context, provider *v1alpha1.ModelProvider, isAway bool) error {
	reachable := metav1.Condition{Type: v1alpha1.ConditionReachable, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonAnswered, Message: "the provider answers calls"}
	if isAway {
		reachable.Status, reachable.Reason = metav1.ConditionFalse, "ConnectionTimedOut"
		reachable.Message = "2 of 2 live enforcers: connections to spec.endpoint (" + provider.Spec.Endpoint + ") time out: check its host and port, and whether network policies and firewalls let the enforcers through"
	}
	meta.SetStatusCondition(&provider.Status.Conditions, reachable)
	meta.SetStatusCondition(&provider.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionCredentialValid, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonKeyAccepted, Message: "the provider accepts the key",
	})
	provider.Status.Revision, provider.Status.Enforcers = 412, &v1alpha1.EnforcerCount{Ready: 2, Total: 2}
	return s.Cluster.Status().Update(ctx, provider)
}

// recordHealth puts into Postgres what enforcers and the leader report there, and how the latest calls
// went.
func (s *Showcase) recordHealth(ctx context.Context, provider *v1alpha1.IdentityProvider) error {
	for _, statement := range []string{
		`INSERT INTO limiter_sessions (session, beat_at) VALUES ('enforcer-6f7c9-8m2xq-1', 'now'::timestamptz + interval '1 day'), ('enforcer-6f7c9-kd4tz-1', 'now'::timestamptz + interval '1 day'),
		 ('enforcer-5b1aa-x7nvp-3', now() - interval '3 hours')`,
		`INSERT INTO limiter_audits (audited_at, tenants, tenants_with_drift, drift_nanos, tenants_with_wrong_sums) VALUES ('` + s.Now.Add(-4*time.Minute).Format(time.RFC3339) + `', 5, 0, 0, 0)`,
		`UPDATE ai_usage_logs SET recorded_at = settled_at + interval '1 ms' * (40 + length(call_id || model) * 7 % 90), duration_ms = 900 + output_tokens * 3 / 2, time_to_first_token_ms = 250 + input_tokens / 150`,
	} {
		if _, err := s.Ledger.Exec(ctx, statement); err != nil {
			return err
		}
	}
	if err := s.Cluster.Get(ctx, client.ObjectKeyFromObject(provider), provider); err != nil {
		return err
	}
	provider.Status.Issuer = issuerURL
	meta.SetStatusCondition(&provider.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionKeysFetched, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonKeysInline, Message: "the keys are in spec.issuer.jwks",
	})
	return s.Cluster.Status().Update(ctx, provider)
}
