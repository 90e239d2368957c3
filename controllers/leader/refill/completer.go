package refill

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
)

const (
	// lookEvery is how often the Completer checks whether the configuration is complete.
	lookEvery = 500 * time.Millisecond
	// lookTimeout bounds one look.
	lookTimeout = 5 * time.Second
	// longest is how long a configuration may be incomplete: a document that cannot be put
	// must not keep enforcers waiting for good.
	longest = time.Minute
	// named is how many missing documents the log names.
	named = 5
)

// Configurations are the configurations in Redis.
type Configurations interface {
	// Incomplete is the incarnation that is not complete; empty for none.
	Incomplete(ctx context.Context) (incarnation string, err error)
	// Missing returns those of the documents that do not exist.
	Missing(ctx context.Context, ids []limiterv1.DocumentID) ([]limiterv1.DocumentID, error)
	// Complete marks an incarnation as complete.
	Complete(ctx context.Context, incarnation string) error
}

// Completer marks configurations as complete.
type Completer struct {
	configurations Configurations
	reader         client.Reader
	now            func() time.Time

	// incarnation is the one that is incomplete, and since when it is known to be.
	incarnation string
	since       time.Time
}

// New makes a Completer, which reads objects from a cache.
func New(configurations Configurations, reader client.Reader, now func() time.Time) *Completer {
	return &Completer{configurations: configurations, reader: reader, now: now}
}

// NeedLeaderElection keeps all but the leader out.
func (c *Completer) NeedLeaderElection() bool { return true }

// Start works until ctx ends.
func (c *Completer) Start(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		if err := c.Look(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).V(1).Info("Failed to check whether the configuration is complete", "error", err.Error())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Look marks the configuration as complete if it is.
func (c *Completer) Look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	incarnation, err := c.configurations.Incomplete(ctx)
	if err != nil || incarnation == "" {
		return err
	}
	if incarnation != c.incarnation {
		c.incarnation, c.since = incarnation, c.now()
	}
	expected, err := c.expected(ctx)
	if err != nil {
		return err
	}
	missing, err := c.configurations.Missing(ctx, expected)
	if err != nil {
		return err
	}
	waited := c.now().Sub(c.since)
	if len(missing) > 0 && waited < longest {
		return nil
	}
	if err := c.configurations.Complete(ctx, incarnation); err != nil {
		return err
	}
	log.FromContext(ctx).Info("The configuration in Redis is complete", "incarnation", incarnation, "documents", len(expected)-len(missing),
		"missing", len(missing), "first", missing[:min(len(missing), named)], "took", waited.String())
	return nil
}

// programmed is an object with a document.
type programmed interface {
	client.Object
	GetProgrammedStatus() *v1alpha1.ProgrammedStatus
}

// expected returns the documents of all objects that were accepted when their controllers
// last looked at them. An object that was never accepted has not worked yet, so its
// document is not missed.
func (c *Completer) expected(ctx context.Context) (ids []limiterv1.DocumentID, err error) {
	var budgets v1alpha1.TenantBudgetList
	var keys v1alpha1.APIKeyList
	var providers v1alpha1.ModelProviderList
	var identityProviders v1alpha1.IdentityProviderList
	var memberships v1alpha1.MembershipList
	for _, list := range []client.ObjectList{&budgets, &keys, &providers, &identityProviders, &memberships} {
		if err := c.reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
	}
	add := func(object programmed, kind limiterv1.DocumentKind, name string) {
		conditions := object.GetProgrammedStatus().Conditions
		if object.GetDeletionTimestamp() == nil && meta.IsStatusConditionTrue(conditions, v1alpha1.ConditionAccepted) {
			ids = append(ids, limiterv1.DocumentID{Kind: kind, Name: name})
		}
	}
	for i := range budgets.Items {
		add(&budgets.Items[i], limiterv1.TenantDocument, budgets.Items[i].Spec.Tenant)
	}
	for i := range keys.Items {
		for _, hash := range keys.Items[i].Hashes() {
			add(&keys.Items[i], limiterv1.CredentialDocument, limiterv1.CredentialName(keys.Items[i].Namespace, hash))
		}
	}
	for i := range providers.Items {
		add(&providers.Items[i], limiterv1.ProviderDocument, providers.Items[i].Name)
	}
	for i := range identityProviders.Items {
		if provider := &identityProviders.Items[i]; provider.Status.Issuer != "" {
			add(provider, limiterv1.IdentityDocument, provider.Name)
		}
	}
	for i := range memberships.Items {
		add(&memberships.Items[i], limiterv1.MembersDocument, memberships.Items[i].Namespace+"/"+memberships.Items[i].Name)
	}
	return ids, nil
}
