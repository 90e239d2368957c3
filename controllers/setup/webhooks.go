package setup

import (
	"crypto/tls"
	"net"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	webhookserver "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/bursar-dev/bursar/history"
	"github.com/bursar-dev/bursar/webhook"
	"github.com/bursar-dev/bursar/webhook/certificate"
)

//+kubebuilder:rbac:groups="",namespace=bursar-system,resources=secrets,resourceNames=bursar-webhook,verbs=get;update
//+kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingwebhookconfigurations;validatingwebhookconfigurations,resourceNames=bursar,verbs=get;update

// webhookName is the name of the webhooks' Service, and of the Secret with the
// authority that signs their certificates.
const webhookName = "bursar-webhook"

// webhookConfiguration is the name of the MutatingWebhookConfiguration and of the
// ValidatingWebhookConfiguration.
const webhookConfiguration = "bursar"

// WebhookOptions say how webhooks are served.
type WebhookOptions struct {
	// Address is where, such as ":9443".
	Address string
	// CertificateDir has the certificate, tls.crt, and its key, tls.key. If it is empty,
	// the managers make certificates by themselves.
	CertificateDir string
	// Namespace is the namespace of the Service and the Secret.
	Namespace string
}

// webhooks are the server of the webhooks and the keeper of its certificates. There is no
// server if webhooks are off, and no keeper if something else, such as cert-manager, makes
// the certificates.
//
// The manager's readiness does not depend on them: it would wait for certificates from the
// leader, and the leader may run a release that makes none.
type webhooks struct {
	server webhookserver.Server
	keeper *certificate.Keeper
}

func newWebhooks(cluster *rest.Config, scheme *runtime.Scheme, options Options) (webhooks, error) {
	if options.Webhooks == nil {
		return webhooks{}, nil
	}
	host, service, err := net.SplitHostPort(options.Webhooks.Address)
	if err != nil {
		return webhooks{}, err
	}
	port, err := net.LookupPort("tcp", service)
	if err != nil {
		return webhooks{}, err
	}
	served := webhookserver.Options{Host: host, Port: port, CertDir: options.Webhooks.CertificateDir}
	if served.CertDir != "" {
		return webhooks{server: webhookserver.NewServer(served)}, nil
	}
	// The manager's cache would watch every Secret, so this client reads past it.
	direct, err := client.New(cluster, client.Options{Scheme: scheme})
	if err != nil {
		return webhooks{}, err
	}
	secret := types.NamespacedName{Namespace: options.Webhooks.Namespace, Name: webhookName}
	certificates := certificate.NewServer(direct, secret, options.Webhooks.names(host), options.Clock)
	served.TLSOpts = append(served.TLSOpts, func(c *tls.Config) { c.GetCertificate = certificates.GetCertificate })
	return webhooks{
		server: webhookserver.NewServer(served),
		keeper: certificate.NewKeeper(direct, secret, webhookConfiguration, options.Clock),
	}, nil
}

// names are the host names by which the API server reaches the server: that of its Service
// and, if the server listens only on loopback, its address.
func (o *WebhookOptions) names(host string) []string {
	names := []string{webhookName + "." + o.Namespace + ".svc"}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		names = append(names, host)
	}
	return names
}

func (w webhooks) register(mgr ctrl.Manager, counters webhook.Counters, ledger history.PastCalls, changes webhook.Changes) error {
	if w.server == nil {
		return nil
	}
	if w.keeper != nil {
		if err := mgr.Add(w.keeper); err != nil {
			return err
		}
	}
	return webhook.Register(mgr, counters, ledger, changes)
}
