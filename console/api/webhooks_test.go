package api_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	webhookserver "sigs.k8s.io/controller-runtime/pkg/webhook"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rules/index"
	"github.com/bursar-dev/bursar/controllers/setup"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/process"
	"github.com/bursar-dev/bursar/history"
	"github.com/bursar-dev/bursar/webhook"
)

// noCounters is Redis, which these tests have none of.
type noCounters struct{}

func (noCounters) Read(context.Context, string, string, ...limiterv1.MoneyLimit) (limiterstore.Reading, error) {
	return limiterstore.Reading{}, errors.New("there is no Redis")
}

// startWebhooks has the API server ask Bursar's webhooks, without the rest of the manager.
func startWebhooks(ctx context.Context, stops *[]func() error) error {
	port, err := process.FreePort()
	if err != nil {
		return err
	}
	certificate, key, err := cert.GenerateSelfSignedCertKey("127.0.0.1", []net.IP{net.IPv4(127, 0, 0, 1)}, nil)
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return err
	}
	scheme, err := setup.Scheme()
	if err != nil {
		return err
	}
	manager, err := ctrl.NewManager(shared.kube.Config, ctrl.Options{
		Scheme: scheme, Logger: logr.Discard(), Metrics: metricsserver.Options{BindAddress: "0"},
		WebhookServer: webhookserver.NewServer(webhookserver.Options{Host: "127.0.0.1", Port: port, TLSOpts: []func(*tls.Config){
			func(c *tls.Config) {
				c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &pair, nil }
			},
		}}),
	})
	if err != nil {
		return err
	}
	if err := index.Register(ctx, manager.GetFieldIndexer()); err != nil {
		return err
	}
	if err := webhook.Register(manager, noCounters{}, history.NewReader(shared.reader), budgetstore.NewChanges(shared.ledger)); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	*stops = append(*stops, func() error { cancel(); return <-ended })
	return configureWebhooks(ctx, fmt.Sprintf("https://127.0.0.1:%d", port), certificate)
}

// configureWebhooks tells the API server of the webhooks, and waits until it asks them.
func configureWebhooks(ctx context.Context, url string, authority []byte) error {
	configurations, err := kubernetes.WebhookConfigurations(url, authority)
	if err != nil {
		return err
	}
	for _, configuration := range configurations {
		if configuration.GetKind() == "MutatingWebhookConfiguration" {
			continue // nobody is here who would remove the finalizers
		}
		if err := shared.admin.Create(ctx, configuration); err != nil {
			return err
		}
	}
	refused := tenantBudget("default", "")
	refused.Spec.Tenant = "another"
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if err := shared.admin.Create(ctx, refused.DeepCopy(), client.DryRunAll); err != nil {
			return nil //nolint:nilerr // this is what is waited for
		}
	}
	return errors.New("the API server does not ask the webhooks")
}

// askersOf are who asked for changes of an object, as is remembered for the record.
func askersOf(ctx context.Context, object client.Object) (names []string, err error) {
	rows, err := shared.ledger.Query(ctx, `SELECT user_name FROM change_requests WHERE object_uid = $1 ORDER BY asked_at`, string(object.GetUID()))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

// ownBudget is the budget of a new tenant, all of whose fields the console manages.
func ownBudget(ctx context.Context, tenant string) (*v1alpha1.TenantBudget, error) {
	budget := tenantBudget(tenant, "")
	if err := shared.admin.Create(ctx, namespace(tenant)); err != nil {
		return nil, err
	}
	if err := shared.admin.Create(ctx, budget, client.FieldOwner("bursar-console")); err != nil {
		return nil, err
	}
	return budget, decide(ctx, budget, metav1.ConditionTrue)
}
