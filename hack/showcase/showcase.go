package showcase

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/jackc/pgx/v5/pgxpool"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
)

// Showcase is a company that is up.
type Showcase struct {
	// Now is the company's present time, at which its history ends.
	Now time.Time
	// Console is the configuration of a client of the API server that is the console's service
	// account, with the rights that config/console gives it.
	Console *rest.Config
	// ConsoleURL is the DSN of the console's login.
	ConsoleURL string
	// Ledger may do everything in the database, and Cluster everything in the cluster.
	Ledger  *pgxpool.Pool
	Cluster client.Client
	// Kubernetes is the API server, and Postgres the server with the ledger.
	Kubernetes *kubernetes.Server
	Postgres   *postgres.Server

	key   issuer.Key
	stops []func() error
	// spent is what each tenant has spent since the beginning of the day, and of the month.
	spent map[string]*spending
}

// Start starts the company, as it is at a moment. ofPostgres are parameters of its Postgres, such as "shared_buffers=1GB".
func Start(ctx context.Context, now time.Time, ofPostgres ...string) (s *Showcase, err error) {
	s = &Showcase{Now: now, spent: map[string]*spending{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
		}
	}()
	if s.key, err = issuer.NewKey("k1", jose.ES256); err != nil {
		return s, err
	}
	if err := s.startCluster(ctx); err != nil {
		return s, err
	}
	if err := s.startLedger(ctx, ofPostgres); err != nil {
		return s, err
	}
	return s, s.makeCompany(ctx)
}

// Stop ends all that was started.
func (s *Showcase) Stop() error {
	var errs []error
	for i := len(s.stops) - 1; i >= 0; i-- {
		errs = append(errs, s.stops[i]())
	}
	s.stops = nil
	return errors.Join(errs...)
}

func (s *Showcase) startCluster(ctx context.Context) (err error) {
	if s.Kubernetes, err = kubernetes.Start(ctx, kubernetes.Options{}); err != nil {
		return err
	}
	s.stops = append(s.stops, s.Kubernetes.Stop)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			return err
		}
	}
	if s.Cluster, err = client.New(s.Kubernetes.Config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	if err := s.giveRights(ctx); err != nil {
		return err
	}
	s.Console, err = s.Kubernetes.ConfigOf(kubernetes.Console)
	return err
}

// giveRights gives the console's service account the rights in config/console/rbac.yaml.
func (s *Showcase) giveRights(ctx context.Context) error {
	if err := s.Cluster.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "bursar-system"}}); err != nil {
		return err
	}
	root, err := kubernetes.Root()
	if err != nil {
		return err
	}
	manifest, err := os.ReadFile(filepath.Join(root, "config", "console", "rbac.yaml"))
	if err != nil {
		return err
	}
	for document := range strings.SplitSeq(string(manifest), "\n---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), object); err != nil {
			return err
		}
		if err := s.Cluster.Create(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

func (s *Showcase) startLedger(ctx context.Context, settings []string) error {
	database, err := postgres.Start(ctx, postgres.Options{Settings: settings})
	if err != nil {
		return err
	}
	s.stops, s.Postgres = append(s.stops, database.Stop), database
	admin, err := database.NewDatabase(ctx)
	if err != nil {
		return err
	}
	if err := budgetstore.Migrate(ctx, admin); err != nil {
		return err
	}
	if s.ConsoleURL, err = database.NewLogin(ctx, admin, "bursar_reader", "bursar_console"); err != nil {
		return err
	}
	s.Ledger, err = pgxpool.New(ctx, admin)
	if err != nil {
		return err
	}
	s.stops = append(s.stops, func() error { s.Ledger.Close(); return nil })
	return nil
}

// Token is a token of a person of the company, with some groups.
func (s *Showcase) Token(user string, groups ...string) string {
	return s.key.Sign(map[string]any{
		"iss": issuerURL, "aud": "bursar", "sub": user, "groups": groups, "iat": s.Now.Unix(), "exp": s.Now.Add(24 * time.Hour).Unix(),
	})
}
