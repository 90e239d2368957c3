package setup_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/leader/alert"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/hack/parts/receivers"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

// alertOptions are those of a manager that may send to the receivers of these tests.
func alertOptions() alert.Options {
	GinkgoHelper()
	mailServer, err := alert.ParseMailServer("smtp://"+receivers.MailUser+":"+receivers.MailPassword+"@"+receiving.Mail.StartTLSAddress, "bursar@example.com")
	Expect(err).NotTo(HaveOccurred())
	authorities := x509.NewCertPool()
	Expect(authorities.AppendCertsFromPEM(receiving.Authority)).To(BeTrue())
	return alert.Options{MailServer: mailServer, Authorities: authorities,
		Outbound: alert.Outbound{Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}}
}

// alertsOf are the alerts of a tenant.
func alertsOf(ctx context.Context, tenant string) func() []string {
	return rows(ctx, `SELECT limit_name, action, at_percent, coalesce(resolution, 'open') FROM cost_alerts
WHERE tenant_id = $1 ORDER BY raised_at, at_percent`, tenant)
}

// spendOfUser makes the counter of a user say what was spent today.
func spendOfUser(ctx context.Context, tenant, user string, spent money.Nanos) {
	GinkgoHelper()
	now, err := redisClient.Time(ctx).Result()
	Expect(err).NotTo(HaveOccurred())
	var epoch limiterv1.Epoch
	raw, err := redisClient.Get(ctx, limiterv1.EpochKey).Bytes()
	Expect(err).NotTo(HaveOccurred())
	Expect(json.Unmarshal(raw, &epoch)).To(Succeed())
	span := period.Containing(period.Day, time.UTC, now)
	counter := limiterv1.MoneyCounter{Start: span.Start, End: span.End, Spent: spent}
	field := limiterv1.MoneyField(limiterv1.MoneyLimit{Per: limiterv1.PerUser, Period: period.Day})
	Expect(redisClient.HSet(ctx, limiterv1.CountersKey(tenant, epoch, tenant, limiterv1.Owner{User: user}), field, counter.Encode()).Err()).To(Succeed())
}

var _ = Describe("Alerts", func() {
	It("are raised of a breaker that is forced open, each time", func(ctx SpecContext) {
		startEnforcer(true)
		budget := objects.TenantBudget(newNamespace(ctx))
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		tenant := budget.Spec.Tenant
		force := func(state v1alpha1.BreakerState) {
			update(ctx, budget, func(b *v1alpha1.TenantBudget) {
				b.Spec.Breaker = nil
				if state != "" {
					b.Spec.Breaker = &v1alpha1.Breaker{Forced: state, Reason: "A key was leaked."}
				}
			})
			expectProgrammed(ctx, budget)
		}
		force(v1alpha1.BreakerOpen)
		Eventually(ctx, alertsOf(ctx, tenant)).WithTimeout(30 * time.Second).Should(Equal([]string{"ForceOpen 0 open"}))
		force("")
		Eventually(ctx, alertsOf(ctx, tenant)).WithTimeout(30 * time.Second).Should(Equal([]string{"ForceOpen 0 LimitChanged"}))
		force(v1alpha1.BreakerOpen)
		Eventually(ctx, alertsOf(ctx, tenant)).WithTimeout(30 * time.Second).Should(Equal([]string{"ForceOpen 0 LimitChanged", "ForceOpen 0 open"}))
		Eventually(ctx, rows(ctx, `SELECT message FROM cost_alerts WHERE tenant_id = $1 AND resolved_at IS NULL`, tenant)).
			Should(ContainElement(ContainSubstring("reason: A key was leaked.")))
	})

	It("are raised once for each rung, and resolved", func(ctx SpecContext) {
		startEnforcer(true)
		budget := objects.TenantBudget(newNamespace(ctx))
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		spend(ctx, budget.Spec.Tenant, period.Day, 450*money.Cent, 0, true)
		Eventually(ctx, alertsOf(ctx, budget.Spec.Tenant)).Should(Equal([]string{"daily Warn 80 open", "daily Trip 90 open"}))

		By("another manager taking over, which raises nothing again")
		stopManager()
		stopManager = startManager()
		spend(ctx, budget.Spec.Tenant, period.Day, 5*money.USD, 0, true)
		Eventually(ctx, alertsOf(ctx, budget.Spec.Tenant)).Should(Equal(
			[]string{"daily Warn 80 open", "daily Trip 90 open", "daily Exhaust 100 open"}))

		By("the limit being raised")
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "6.00" })
		Eventually(ctx, alertsOf(ctx, budget.Spec.Tenant)).Should(Equal([]string{
			"daily Warn 80 LimitChanged", "daily Trip 90 LimitChanged", "daily Exhaust 100 LimitChanged", "daily Warn 80 open"}))

		By("the budget going")
		remove(ctx, budget)
		Expect(alertsOf(ctx, budget.Spec.Tenant)()).To(HaveLen(4))
		Expect(alertsOf(ctx, budget.Spec.Tenant)()).To(ContainElement("daily Warn 80 BudgetRemoved"))
	})

	It("are resolved when the period turns", func(ctx SpecContext) {
		budget, end := undisturbedMinute(ctx)
		Eventually(ctx, rows(ctx, `SELECT action, resolution FROM cost_alerts WHERE tenant_id = $1 AND period_end = $2 ORDER BY at_percent`,
			budget.Spec.Tenant, end)).WithTimeout(time.Until(end) + 3*time.Second).
			Should(Equal([]string{"Warn PeriodTurned", "Trip PeriodTurned"}))
	})

	It("are raised of single users who make calls", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		for _, user := range []string{"user", "who makes no call"} {
			spendOfUser(ctx, tenant, user, 40*money.Cent)
		}
		record(ctx, tenant, 40*money.Cent)

		By("a manager that begins, which looks at once")
		stopManager()
		stopManager = startManager()
		ofUsers := rows(ctx, `SELECT limit_name, user_id, action, coalesce(resolution, 'open') FROM cost_alerts WHERE tenant_id = $1`, tenant)
		Eventually(ctx, ofUsers).WithTimeout(30 * time.Second).Should(Equal([]string{"each-user user Warn open"}))

		By("the limit being raised")
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[2].Amount = "0.60" })
		Eventually(ctx, ofUsers).WithTimeout(30 * time.Second).Should(Equal([]string{"each-user user Warn LimitChanged"}))
	})

	It("are not lost while Postgres is away", func(ctx SpecContext) {
		startEnforcer(true)
		budget := objects.TenantBudget(newNamespace(ctx))
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		Eventually(ctx, rows(ctx, openLimits, budget.Spec.Tenant)).ShouldNot(BeEmpty())
		disturbMinute()
		Expect(postgresServer.Stop()).To(Succeed())
		spend(ctx, budget.Spec.Tenant, period.Day, 4*money.USD, 0, true)
		Eventually(ctx, eventsOf(ctx, budget, "BudgetWarning")).Should(HaveLen(1), "the status does not wait for it")

		restarted, err := postgres.Start(ctx, postgres.Options{Dir: postgresDir, Port: postgresServer.Port})
		Expect(err).NotTo(HaveOccurred())
		postgresServer = restarted
		Eventually(ctx, alertsOf(ctx, budget.Spec.Tenant)).WithTimeout(20 * time.Second).Should(Equal([]string{"daily Warn 80 open"}))
	})

	It("are told by every channel, with Secrets that the manager was let read", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		budget.Spec.Alerts = &v1alpha1.Alerts{
			Email: []v1alpha1.EmailAddress{v1alpha1.EmailAddress(tenant + "@example.com")},
			Webhook: &v1alpha1.AlertWebhook{URL: receiving.Webhook.URL + "/" + tenant,
				SigningSecretRef: v1alpha1.SecretKeyRef{Name: "alerts", Key: "signing"}},
		}
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		Expect(condition(ctx, budget, v1alpha1.ConditionReady)()).To(Equal("True Enforced"), "enforcement does not depend on alerts")

		By("not being let read any Secret")
		expectCondition(ctx, budget, v1alpha1.ConditionAlertsFailing, "True SecretUnusable")
		Expect(message(budget, v1alpha1.ConditionAlertsFailing)).To(Equal("the manager is not allowed to read Secret " + tenant +
			"/alerts: bind ClusterRole bursar-alert-secrets to its service account in namespace " + tenant))
		spend(ctx, tenant, period.Day, 4*money.USD, 0, true)
		Eventually(ctx, func() int { return len(receiving.Mail.Mails(tenant + "@example.com")) }).Should(Equal(1), "e-mail needs none")
		Expect(receiving.Webhook.Requests("/" + tenant)).To(BeEmpty())

		By("being let, where there is none")
		create(ctx, &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "bursar-alert-secrets"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "bursar-alert-secrets"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "bursar-system", Name: "bursar-manager"}},
		})
		Eventually(ctx, func() string {
			_ = get(ctx, budget)
			return message(budget, v1alpha1.ConditionAlertsFailing)
		}).WithTimeout(30 * time.Second).Should(Equal("Secret " + tenant + "/alerts does not exist"))

		By("there being one")
		create(ctx, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "alerts"},
			StringData: map[string]string{"signing": "whsec_" + strings.Repeat("QUJD", 11)},
		})
		Eventually(ctx, func() int { return len(receiving.Webhook.Taken("/" + tenant)) }).WithTimeout(60 * time.Second).Should(Equal(1))
		Eventually(ctx, condition(ctx, budget, v1alpha1.ConditionAlertsFailing)).WithTimeout(30 * time.Second).Should(Equal("False Deliverable"))
		Expect(receiving.Mail.Mails(tenant + "@example.com")).To(HaveLen(1))

		By("nobody being told any more")
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Alerts = nil })
		Eventually(ctx, condition(ctx, budget, v1alpha1.ConditionAlertsFailing)).Should(Equal("no condition AlertsFailing"))
	})
})
