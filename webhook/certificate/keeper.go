package certificate

import (
	"bytes"
	"context"
	"errors"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// lookEvery is how often the Keeper checks that all is as it should be. Polling needs
// fewer rights than watching.
const lookEvery = 10 * time.Second

// Keeper ensures that there is an authority, and that the API server trusts it.
type Keeper struct {
	client        client.Client
	secret        types.NamespacedName
	configuration string
	clock         clock.PassiveClock
}

// NewKeeper makes a Keeper of the certificate authority of the webhooks in the
// ValidatingWebhookConfiguration and the MutatingWebhookConfiguration of that name. It is
// kept in the Secret, which must exist, empty at first: RBAC cannot limit a right to create
// Secrets to one name. The client must have no cache and must not watch.
func NewKeeper(client client.Client, secret types.NamespacedName, configuration string, clock clock.PassiveClock) *Keeper {
	return &Keeper{client: client, secret: secret, configuration: configuration, clock: clock}
}

// NeedLeaderElection makes the leader alone keep the authority.
func (k *Keeper) NeedLeaderElection() bool { return true }

// Start keeps the authority until ctx ends. Errors are logged, each once until it
// changes: without webhooks everything else goes on.
func (k *Keeper) Start(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	told := ""
	for {
		err := k.Keep(ctx)
		if err != nil && err.Error() != told && ctx.Err() == nil {
			told = err.Error()
			log.FromContext(ctx).Error(err, "Failed to maintain the webhooks' certificates; the API server continues without the webhooks")
		}
		if err == nil {
			told = ""
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Keep makes the authority if there is none or its end is near, and tells the API
// server. Between the two, webhooks are away to it for a moment.
func (k *Keeper) Keep(ctx context.Context) error {
	trusted, err := k.keepAuthority(ctx)
	if err != nil {
		return err
	}
	return errors.Join(k.tellMutating(ctx, trusted), k.tellValidating(ctx, trusted))
}

// tellMutating accepts that there is no MutatingWebhookConfiguration: earlier releases had
// none, and controllers add the finalizers that no webhook has added.
func (k *Keeper) tellMutating(ctx context.Context, trusted []byte) error {
	var configuration admissionv1.MutatingWebhookConfiguration
	if err := k.client.Get(ctx, types.NamespacedName{Name: k.configuration}, &configuration); err != nil {
		return client.IgnoreNotFound(err)
	}
	var clients []*admissionv1.WebhookClientConfig
	for i := range configuration.Webhooks {
		clients = append(clients, &configuration.Webhooks[i].ClientConfig)
	}
	return k.tell(ctx, &configuration, clients, trusted)
}

func (k *Keeper) tellValidating(ctx context.Context, trusted []byte) error {
	var configuration admissionv1.ValidatingWebhookConfiguration
	if err := k.client.Get(ctx, types.NamespacedName{Name: k.configuration}, &configuration); err != nil {
		return err
	}
	var clients []*admissionv1.WebhookClientConfig
	for i := range configuration.Webhooks {
		clients = append(clients, &configuration.Webhooks[i].ClientConfig)
	}
	return k.tell(ctx, &configuration, clients, trusted)
}

// tell has the API server trust the authority in all clients of the configuration.
func (k *Keeper) tell(ctx context.Context, configuration client.Object, clients []*admissionv1.WebhookClientConfig, trusted []byte) error {
	isKnown := true
	for _, config := range clients {
		isKnown = isKnown && bytes.Equal(config.CABundle, trusted)
		config.CABundle = trusted
	}
	if isKnown {
		return nil
	}
	return k.client.Update(ctx, configuration)
}

// keepAuthority is the authority's certificate, of a new one where that is needed.
func (k *Keeper) keepAuthority(ctx context.Context) ([]byte, error) {
	var secret corev1.Secret
	if err := k.client.Get(ctx, k.secret, &secret); err != nil {
		return nil, err
	}
	now := k.clock.Now()
	if present, err := readAuthority(secret.Data, now); err == nil && !present.isOld(now) {
		return present.pem, nil
	}
	data, err := newAuthority()
	if err != nil {
		return nil, err
	}
	secret.Data = data
	if err := k.client.Update(ctx, &secret); err != nil {
		return nil, err
	}
	return secret.Data[corev1.TLSCertKey], nil
}
