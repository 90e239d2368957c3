package alert

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/hack/parts/ledgerdb"
	"github.com/bursar-dev/bursar/hack/parts/receivers"
)

var (
	server *ledgerdb.Server
	world  *receivers.Receivers
)

func TestMain(m *testing.M) {
	os.Exit(ledgerdb.Use(func(s *ledgerdb.Server) int {
		server = s
		return run(m)
	}))
}

func run(m *testing.M) (code int) {
	var err error
	if world, err = receivers.Start(); err != nil {
		println(err.Error())
		return 1
	}
	defer func() {
		if err := world.Stop(); err != nil {
			println(err.Error())
			code = 1
		}
	}()
	return m.Run()
}

// cluster is what the API server would answer: one budget, and Secrets of its namespace.
// controllers/setup has these tests' counterpart on a real one.
type cluster struct {
	client.Reader
	budget  *v1alpha1.TenantBudget
	secrets map[string]map[string]string
	// others are further budgets.
	others []v1alpha1.TenantBudget
	// forbidden is set when Secrets may not be read.
	forbidden bool
}

func (c *cluster) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	if c.budget != nil {
		list.(*v1alpha1.TenantBudgetList).Items = append([]v1alpha1.TenantBudget{*c.budget}, c.others...)
	}
	return nil
}

func (c *cluster) Get(_ context.Context, key types.NamespacedName, object client.Object, _ ...client.GetOption) error {
	resource := schema.GroupResource{Resource: "secrets"}
	values, found := c.secrets[key.Name]
	switch {
	case c.forbidden:
		return apierrors.NewForbidden(resource, key.Name, errors.New("no"))
	case !found || key.Namespace != "acme":
		return apierrors.NewNotFound(resource, key.Name)
	}
	secret := object.(*corev1.Secret)
	secret.Data = map[string][]byte{}
	for name, value := range values {
		secret.Data[name] = []byte(value)
	}
	return nil
}

// signingSecret signs in these tests.
var signingSecret = "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))

// test is a budget of tenant acme that tells all channels, at addresses of its own.
// useDatabase gives it a database, and managers may run.
type test struct {
	*testing.T
	*cluster
	store *budgetstore.Deliveries
	pool  *pgxpool.Pool
	// admin may change what a manager may not, such as when an alert was raised.
	admin *pgxpool.Pool
	// mail, hook and channel are where the budget's alerts go, and pager where those of PagerDuty do.
	mail, hook, channel, pager string
}

func newTest(t *testing.T) *test {
	t.Helper()
	name := strings.ReplaceAll(strings.ToLower(t.Name()), "/", "-")
	x := &test{T: t, mail: name + "@example.com", hook: "/" + name + "/hook", channel: "/" + name + "/channel", pager: "/" + name + "/pager"}
	x.cluster = &cluster{
		budget: &v1alpha1.TenantBudget{
			ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "budget", UID: "u1", Generation: 1},
			Spec: v1alpha1.TenantBudgetSpec{Tenant: "acme", Alerts: &v1alpha1.Alerts{
				Email:   []v1alpha1.EmailAddress{v1alpha1.EmailAddress(x.mail)},
				Webhook: &v1alpha1.AlertWebhook{URL: world.Webhook.URL + x.hook, SigningSecretRef: v1alpha1.SecretKeyRef{Name: "alerts", Key: "signing"}},
				Slack:   &v1alpha1.SlackAlerts{URLSecretRef: v1alpha1.SecretKeyRef{Name: "alerts", Key: "slack"}},
			}},
		},
		secrets: map[string]map[string]string{"alerts": {"signing": signingSecret, "slack": world.Webhook.URL + x.channel}},
	}
	return x
}

// useDatabase gives the test a database that knows tenant acme, and no alerts.
func (x *test) useDatabase() *test {
	x.Helper()
	database, err := server.NewDatabase(x.Context())
	if err != nil {
		x.Fatal(err)
	}
	if x.pool, err = pgxpool.New(x.Context(), database.Manager); err != nil {
		x.Fatal(err)
	}
	x.Cleanup(x.pool.Close)
	if x.admin, err = pgxpool.New(x.Context(), database.Admin); err != nil {
		x.Fatal(err)
	}
	x.Cleanup(x.admin.Close)
	x.store = budgetstore.NewDeliveries(x.pool)
	x.record(x.budget)
	return x
}

// record makes the database know the tenant of a budget.
func (x *test) record(budget *v1alpha1.TenantBudget) {
	x.Helper()
	known := budgetstore.Budget{Namespace: budget.Namespace, Name: budget.Name, UID: string(budget.UID),
		Level: limiterv1.Level{Tenant: budget.Spec.Tenant, TimeZone: "UTC"}}
	if err := budgetstore.NewLimits(x.pool).Record(x.Context(), known); err != nil {
		x.Fatal(err)
	}
}

// raise raises an alert of so many limits.
func (x *test) raise(limits ...string) {
	x.Helper()
	x.raiseOf(x.budget, limits...)
}

func (x *test) raiseOf(budget *v1alpha1.TenantBudget, limits ...string) {
	x.Helper()
	var alerts []budgetstore.Alert
	for _, limit := range limits {
		alerts = append(alerts, reached(limit, 80))
	}
	x.raiseAlerts(budget, alerts...)
}

// reached is the alert that a limit has reached its Warn rung.
func reached(limit string, atPercent int32) budgetstore.Alert {
	return budgetstore.Alert{
		Rung:   budgetstore.Rung{Limit: limit, Amount: 5 * money.USD, Action: "Warn", AtPercent: atPercent},
		Period: period.Containing(period.Day, time.UTC, time.Now()), Spent: 4 * money.USD,
		Message: fmt.Sprintf("limit %s has reached its %d%% rung", limit, atPercent),
	}
}

// raiseAlerts raises alerts, and resolves no others.
func (x *test) raiseAlerts(budget *v1alpha1.TenantBudget, alerts ...budgetstore.Alert) {
	x.Helper()
	record := budgetstore.TenantAlerts{
		Tenant: budget.Spec.Tenant, UID: string(budget.UID), Now: time.Now(), Reached: alerts,
		Recipients: budgetstore.Recipients(budget.Spec.Alerts), Filters: budget.Spec.Alerts.Filters,
	}
	if raised, err := budgetstore.NewAlerts(x.pool).Record(x.Context(), record); err != nil || raised != len(alerts) {
		x.Fatalf("raised %d of %d, %v", raised, len(alerts), err)
	}
}

// quick are pauses of a manager that tests need not wait for.
var quick = pauses{look: 20 * time.Millisecond, lease: 20 * time.Second, first: 20 * time.Millisecond}

func (x *test) options() Options {
	x.Helper()
	mailServer, err := ParseMailServer("smtp://"+receivers.MailUser+":"+receivers.MailPassword+"@"+world.Mail.StartTLSAddress, "bursar@example.com")
	if err != nil {
		x.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(world.Authority)
	return Options{MailServer: mailServer, Authorities: authorities,
		Outbound: Outbound{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
}

func (x *test) newDeliverer(options Options) *Deliverer {
	x.Helper()
	d := NewDeliverer(x.store, x.cluster, x.cluster, options)
	d.pauses = quick
	d.channels[ledgerv1.PagerDuty].(*pagerDuty).urls[v1alpha1.PagerDutyUS] = world.Webhook.URL + x.pager
	return d
}

// manage runs a manager that delivers, until the test ends or the function that is
// returned is called.
func (x *test) manage(d *Deliverer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = d.Start(ctx) // fails never
	}()
	stop = func() {
		cancel()
		<-ended
	}
	x.Cleanup(stop)
	return stop
}

// count is the number that a query answers.
func (x *test) count(query string) (n int) {
	x.Helper()
	if err := x.pool.QueryRow(context.Background(), query).Scan(&n); err != nil {
		x.Fatal(err)
	}
	return n
}

// waiting are how many deliveries are neither made nor abandoned.
func (x *test) waiting() int {
	x.Helper()
	return x.count("SELECT count(*) FROM alert_deliveries WHERE delivered_at IS NULL AND abandoned_at IS NULL")
}
