package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
)

var update = flag.Bool("update", false, "write what is printed into testdata, as what is wanted")

var (
	// api acts as an administrator, as does kubeconfig.
	api        client.Client
	kubeconfig string
	// ledger is the superuser's; readerURL and financeURL are those of members of bursar_reader
	// and bursar_finance.
	ledger                *pgxpool.Pool
	readerURL, financeURL string
)

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(runTests(m))
}

// runTests runs the tests with an API server and a ledger.
func runTests(m *testing.M) int {
	ctx := context.Background()
	stops, err := start(ctx)
	defer func() {
		for _, stop := range stops {
			if err := stop(); err != nil {
				println(err.Error())
			}
		}
	}()
	if err != nil {
		println(err.Error())
		return 1
	}
	return m.Run()
}

func start(ctx context.Context) (stops []func() error, err error) {
	kube, err := kubernetes.Start(ctx, kubernetes.Options{})
	if err != nil {
		return stops, err
	}
	stops = append(stops, kube.Stop)
	server, err := postgres.Start(ctx, postgres.Options{})
	if err != nil {
		return stops, err
	}
	stops = append(stops, server.Stop)
	dir, err := os.MkdirTemp("", "bursar-kubectl-budget-")
	if err != nil {
		return stops, err
	}
	stops = append(stops, func() error { return os.RemoveAll(dir) })
	kubeconfig = filepath.Join(dir, "kubeconfig")
	if err := kube.WriteKubeconfig(kubeconfig, kubernetes.Administrator); err != nil {
		return stops, err
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			return stops, err
		}
	}
	if api, err = client.New(kube.Config, client.Options{Scheme: scheme}); err != nil {
		return stops, err
	}
	admin, err := server.NewDatabase(ctx)
	if err != nil {
		return stops, err
	}
	if err := budgetstore.Migrate(ctx, admin); err != nil {
		return stops, err
	}
	if readerURL, err = server.NewLogin(ctx, admin, "bursar_reader"); err != nil {
		return stops, err
	}
	if financeURL, err = server.NewLogin(ctx, admin, "bursar_finance"); err != nil {
		return stops, err
	}
	ledger, err = pgxpool.New(ctx, admin)
	stops = append([]func() error{func() error { ledger.Close(); return nil }}, stops...)
	return stops, err
}

// budgeted runs the command as a user would, and returns what it printed.
func budgeted(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return budgetedWith(t, "", args...)
}

// budgetedAs runs the command as a login of the database.
func budgetedAs(t *testing.T, login string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return runOnce(t, login, "", args...)
}

func budgetedWith(t *testing.T, input string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	return runOnce(t, readerURL, input, args...)
}

// runOnce runs the command once.
func runOnce(t *testing.T, login, input string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	t.Setenv(databaseVariable, login)
	var out, errs bytes.Buffer
	command := newCommand()
	command.SetIn(strings.NewReader(input))
	command.SetOut(&out)
	command.SetErr(&errs)
	command.SetArgs(append([]string{"--kubeconfig", kubeconfig}, args...))
	err = command.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

// namespace makes a namespace for one test.
func namespace(t *testing.T, name string) string {
	t.Helper()
	if err := api.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
		t.Fatal(err)
	}
	return name
}

// budget makes the tenant's TenantBudget in its namespace.
func budget(t *testing.T, tenant string, change ...func(*v1alpha1.TenantBudget)) *v1alpha1.TenantBudget {
	t.Helper()
	b := &v1alpha1.TenantBudget{
		ObjectMeta: metav1.ObjectMeta{Name: tenant, Namespace: tenant},
		Spec: v1alpha1.TenantBudgetSpec{
			Tenant: tenant,
			Limits: []v1alpha1.MoneyLimit{{Name: "daily", Period: "Day", Amount: "5.00"}},
			Ladder: []v1alpha1.Rung{},
		},
	}
	for _, c := range change {
		c(b)
	}
	if err := api.Create(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return b
}

// golden compares what was printed with what is in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
