package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // as in the console

	"github.com/go-jose/go-jose/v4"
	"github.com/go-logr/logr"
	"github.com/jackc/pgx/v5/pgxpool"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/identity/identify"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// The tests share one console, which is asked about three tenants: acme, below company, and
// globex. It stands on a real API server and a real Postgres. No manager runs: the tests say
// in its place what it has found.
var shared struct {
	kube *kubernetes.Server
	// admin may do everything in the cluster, and ledger in the database.
	admin   client.Client
	ledger  *pgxpool.Pool
	reader  *pgxpool.Pool
	key     issuer.Key
	options api.Options
	api     *api.API
	server  *httptest.Server
}

// now is when the tests are: in the middle of a day of all zones, and of a month.
var now = time.Date(2026, 11, 18, 15, 4, 5, 0, time.UTC)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var stops []func() error
	defer func() {
		cancel()
		for i := len(stops) - 1; i >= 0; i-- {
			if err := stops[i](); err != nil {
				println(err.Error())
			}
		}
	}()
	err := start(ctx, &stops)
	if err != nil {
		println(err.Error())
		return 1
	}
	return m.Run()
}

func start(ctx context.Context, stops *[]func() error) (err error) {
	if shared.kube, err = kubernetes.Start(ctx, kubernetes.Options{}); err != nil {
		return err
	}
	*stops = append(*stops, shared.kube.Stop)
	database, err := postgres.Start(ctx, postgres.Options{})
	if err != nil {
		return err
	}
	*stops = append(*stops, database.Stop)
	if err := startLedger(ctx, database); err != nil {
		return err
	}
	*stops = append(*stops, func() error { shared.reader.Close(); shared.ledger.Close(); return nil })
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme, admissionv1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	if shared.admin, err = client.New(shared.kube.Config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if shared.key, err = issuer.NewKey("k1", jose.ES256); err != nil {
		return err
	}
	if err := makeWorld(ctx); err != nil {
		return err
	}
	if err := startWebhooks(ctx, stops); err != nil {
		return err
	}
	return startConsole(ctx, stops)
}

func startLedger(ctx context.Context, database *postgres.Server) error {
	admin, err := database.NewDatabase(ctx)
	if err != nil {
		return err
	}
	if err := budgetstore.Migrate(ctx, admin); err != nil {
		return err
	}
	readerURL, err := database.NewLogin(ctx, admin, "bursar_reader", "bursar_console")
	if err != nil {
		return err
	}
	if shared.ledger, err = pgxpool.New(ctx, admin); err != nil {
		return err
	}
	shared.reader, err = pgxpool.New(ctx, readerURL)
	return err
}

// documentsOf are the documents of a YAML stream.
func documentsOf(stream string) iter.Seq[string] {
	return strings.SplitSeq(strings.TrimPrefix(stream, "---\n"), "\n---\n")
}

// namespace is one that is to be made.
func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

// consoleConfig is what a client needs to be the console's service account, which may do what
// config/console/rbac.yaml says.
func consoleConfig(ctx context.Context) (*rest.Config, error) {
	if err := shared.admin.Create(ctx, namespace("bursar-system")); err != nil {
		return nil, err
	}
	manifest, err := os.ReadFile("../../config/console/rbac.yaml")
	if err != nil {
		return nil, err
	}
	for document := range documentsOf(string(manifest)) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), object); err != nil {
			return nil, err
		}
		if err := shared.admin.Create(ctx, object); err != nil {
			return nil, err
		}
	}
	return shared.kube.ConfigOf(kubernetes.Console)
}

func startConsole(ctx context.Context, stops *[]func() error) error {
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	config, err := consoleConfig(ctx)
	if err != nil {
		return err
	}
	watched, err := cluster.New(config, log)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- watched.Start(ctx) }()
	*stops = append(*stops, func() error { cancel(); return <-ended })
	for begin := time.Now(); !watched.Complete(); time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			return context.DeadlineExceeded
		}
	}
	shared.options = options(watched, log)
	shared.api, err = api.New(shared.options)
	if err != nil {
		return err
	}
	shared.server = httptest.NewServer(shared.api)
	*stops = append(*stops, func() error { shared.server.Close(); return nil })
	return nil
}

// do asks the console, as whom the credential is of.
func do(t testkit.T, method, path, credential string, header http.Header) answer {
	t.Helper()
	return doWith(t, method, path, credential, header, "")
}

// anyVersion is for changes of whatever there is.
var anyVersion = http.Header{"If-Match": {"*"}}

// doWith asks the console with a body, which is JSON.
func doWith(t testkit.T, method, path, credential string, header http.Header, body string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), method, shared.server.URL+path, strings.NewReader(body))
	testkit.Must(t, err)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for name, values := range header {
		request.Header[name] = values
	}
	if credential != "" {
		request.Header.Set("Authorization", "Bearer "+credential)
	}
	return send(t, request)
}

// token is a token of the company's sign-in, of somebody in some groups.
func token(user string, groups ...string) string {
	return shared.key.Sign(claims(user, groups...))
}

func claims(user string, groups ...string) map[string]any {
	return map[string]any{
		"iss": "https://login.example.com", "aud": "bursar", "sub": user, "groups": groups, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
}

// makeKey makes an APIKey of a tenant whose key is key-of- and its user.
func makeKey(ctx context.Context, tenant, user, tier string) error {
	return create(ctx, keyFor(tenant, user, tier))
}

// keyFor is the APIKey of makeKey.
func keyFor(tenant, user, tier string) *v1alpha1.APIKey {
	hash := sha256.Sum256([]byte("key-of-" + user))
	return &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: user},
		Spec:       v1alpha1.APIKeySpec{SHA256: hex.EncodeToString(hash[:]), BudgetRef: v1alpha1.BudgetRef{Name: tenant}, User: user, Tier: v1alpha1.Tier(tier)},
	}
}

var platformAdmins = []auth.PlatformAdmin{{Provider: "company", Group: "platform"}}

func clock() time.Time { return now }

// knownTo is an Identifier of whom a cluster knows, at the time of the tests.
func knownTo(watched *cluster.Cluster) *identify.Identifier {
	return identify.New(identify.Options{Config: watched, Now: clock})
}
