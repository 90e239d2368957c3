package setup_test

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	limiterv1 "github.com/bursar-dev/bursar/api/limiter/v1"
	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/rollout"
	"github.com/bursar-dev/bursar/hack/parts/postgres"
	"github.com/bursar-dev/bursar/hack/testkit/objects"
)

var _ = Describe("Without Redis", func() {
	It("claims nothing, and goes on when it is back", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget, policy, key, provider := objects.TenantBudget(tenant), objects.RateLimitPolicy(tenant, "policy"), objects.APIKey(tenant, "key"), objects.ModelProvider("model")
		all := []object{budget, policy, key, provider}
		for _, o := range all {
			create(ctx, o)
		}
		for _, o := range all {
			expectProgrammed(ctx, o)
		}
		spend(ctx, tenant, period.Day, 4*money.USD, 0, true)
		record(ctx, tenant, 4*money.USD)
		Eventually(ctx, eventsOf(ctx, budget, "BudgetWarning")).Should(HaveLen(1))

		Expect(probe(ctx, "readyz")()).To(Equal(http.StatusOK))
		listening := listeners(ctx)
		stopRedis()
		for _, o := range all {
			Eventually(ctx, condition(ctx, o, v1alpha1.ConditionProgrammed)).WithTimeout(20*time.Second).
				Should(Equal("Unknown StoreUnavailable"), o.GetName())
			Expect(condition(ctx, o, v1alpha1.ConditionReady)()).To(Equal("Unknown NotEnforced"))
		}
		Expect(probe(ctx, "readyz")()).To(Equal(http.StatusInternalServerError))
		Expect(probe(ctx, "healthz")()).To(Equal(http.StatusOK), "starting the manager anew would mend nothing")
		Expect(condition(ctx, budget, v1alpha1.ConditionBreakerOpen)()).To(Equal("Unknown Unknown"))
		Expect(budget.Status.Limits[0].Spent).To(Equal("4.00"), "what was last known stays")

		restartRedis(ctx)
		for _, o := range all {
			Eventually(ctx, condition(ctx, o, v1alpha1.ConditionProgrammed)).WithTimeout(20*time.Second).
				Should(Equal("True Programmed"), o.GetName())
		}
		By("hearing from it again, before the next poll")
		Eventually(ctx, func() int64 { return listeners(ctx) }).WithTimeout(20 * time.Second).Should(BeNumerically(">=", listening))
		Eventually(ctx, counted(ctx, tenant, period.Month)).WithTimeout(20*time.Second).Should(Equal(4*money.USD), "as the ledger has it")
		spend(ctx, tenant, period.Day, 450*money.Cent, 0, true)
		Eventually(ctx, condition(ctx, budget, v1alpha1.ConditionBreakerOpen)).WithTimeout(8 * time.Second).
			Should(Equal("True TripRungReached"))
		Expect(eventsOf(ctx, budget, "BudgetWarning")()).To(HaveLen(1), "the rung was news once")
	})

	It("programs everything anew into one that has forgotten its configuration", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget, policy, key, provider := objects.TenantBudget(tenant), objects.RateLimitPolicy(tenant, "policy"), objects.APIKey(tenant, "key"), objects.ModelProvider("model")
		all := []object{budget, policy, key, provider}
		for _, o := range all {
			create(ctx, o)
		}
		for _, o := range all {
			expectProgrammed(ctx, o)
		}
		Expect(redisClient.Del(ctx, limiterv1.DocumentsKey, limiterv1.ChangesKey, limiterv1.RevisionKey,
			limiterv1.IncarnationKey, limiterv1.CompleteKey, limiterv1.SessionsKey, limiterv1.SessionStatesKey).Err()).To(Succeed())
		for _, document := range []string{"tenant/" + tenant, "credential/" + key.Namespace + "/" + key.Spec.SHA256, "provider/" + provider.Name} {
			Eventually(ctx, func() string { return stored(ctx, document) }).ShouldNot(BeEmpty(), document)
		}
		for _, o := range all {
			expectProgrammed(ctx, o)
		}
	})
})

// counted is what the tenant's counter of a period says was spent.
func counted(ctx context.Context, tenant string, kind period.Kind) func() money.Nanos {
	return func() money.Nanos {
		field := limiterv1.MoneyField(limiterv1.MoneyLimit{Period: kind})
		raw, _ := redisClient.HGet(ctx, limiterv1.TenantCountersKey(tenant, tenant), field).Bytes() // there may be none
		counter, _ := limiterv1.DecodeMoneyCounter(raw)
		return counter.Spent
	}
}

// record makes the ledger have a call of the tenant that cost so much.
func record(ctx context.Context, tenant string, cost money.Nanos) {
	GinkgoHelper()
	_, err := superuser.Exec(ctx, `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model_used, endpoint,
  streamed, admitted_at, outcome, held_nanos, cost_nanos, session)
VALUES ($1, $2, 'user', 'tier', 'key', 'provider', 'model', 'model', '/', false, now(), 'Settled', $3, $3, 'session')`,
		uuid.NewString(), tenant, int64(cost))
	Expect(err).NotTo(HaveOccurred())
}

// probe is how the manager answers a probe.
func probe(ctx context.Context, name string) func() int {
	return func() int {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, healthURL+"/"+name, nil)
		if err != nil {
			return 0
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return 0
		}
		_ = response.Body.Close()
		return response.StatusCode
	}
}

var _ = Describe("Without Postgres", func() {
	It("enforces all the same, and records what was so when it is back", func(ctx SpecContext) {
		startEnforcer(true)
		tenant := newNamespace(ctx)
		budget := objects.TenantBudget(tenant)
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		Eventually(ctx, rows(ctx, openLimits, tenant)).Should(ContainElement("daily 5000000000"))

		disturbMinute()
		Expect(postgresServer.Stop()).To(Succeed())
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "6.00" })
		expectProgrammed(ctx, budget)
		spend(ctx, tenant, period.Day, 6*money.USD, 0, true)
		expectCondition(ctx, budget, v1alpha1.ConditionBreakerOpen, "True TripRungReached")
		Expect(probe(ctx, "readyz")()).To(Equal(http.StatusInternalServerError))

		restarted, err := postgres.Start(ctx, postgres.Options{Dir: postgresDir, Port: postgresServer.Port})
		Expect(err).NotTo(HaveOccurred())
		postgresServer = restarted
		Eventually(ctx, rows(ctx, openLimits, tenant)).WithTimeout(20 * time.Second).Should(ContainElement("daily 6000000000"))
		Expect(rows(ctx, closedLimits, tenant)()).To(Equal([]string{"daily 5000000000"}))
		Eventually(ctx, probe(ctx, "readyz")).Should(Equal(http.StatusOK))
	})
})

var _ = Describe("Metrics", func() {
	// scrape asks for the metrics with a token; empty for none.
	scrape := func(ctx context.Context, token string) (status int, body string) {
		GinkgoHelper()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, metricsURL, nil)
		Expect(err).NotTo(HaveOccurred())
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		// The manager makes its own certificate when it is given none.
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		response, err := client.Do(request)
		Expect(err).NotTo(HaveOccurred())
		defer func() { _ = response.Body.Close() }()
		content, err := io.ReadAll(response.Body)
		Expect(err).NotTo(HaveOccurred())
		return response.StatusCode, string(content)
	}
	tokenOf := func(ctx context.Context, namespace, name string) string {
		GinkgoHelper()
		account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
		Expect(api.Create(ctx, account)).To(Succeed())
		request := &authenticationv1.TokenRequest{}
		Expect(api.SubResource("token").Create(ctx, account, request)).To(Succeed())
		return request.Status.Token
	}

	It("are for those who may get them", func(ctx SpecContext) {
		namespace := newNamespace(ctx)
		status, _ := scrape(ctx, "")
		Expect(status).To(Equal(http.StatusUnauthorized))
		status, _ = scrape(ctx, tokenOf(ctx, namespace, "anybody"))
		Expect(status).To(Equal(http.StatusForbidden))

		token := tokenOf(ctx, namespace, "prometheus")
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: namespace},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "bursar-metrics-reader"},
			Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: namespace, Name: "prometheus"}},
		}
		create(ctx, binding)
		Eventually(ctx, func() int {
			status, body := scrape(ctx, token)
			if status == http.StatusOK {
				Expect(body).To(ContainSubstring("bursar_manager_live_enforcers"))
				Expect(body).To(ContainSubstring("controller_runtime_reconcile_total"))
			}
			return status
		}).Should(Equal(http.StatusOK))
	})
})

var _ = Describe("A second manager", func() {
	It("takes over at once from one that stops", func(ctx SpecContext) {
		startEnforcer(true)
		budget := objects.TenantBudget(newNamespace(ctx))
		create(ctx, budget)
		expectProgrammed(ctx, budget)
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "6.00" })
		expectProgrammed(ctx, budget)
		version := budget.ResourceVersion
		// Events that are on their way when a manager stops may be lost.
		Eventually(ctx, eventsOf(ctx, budget, "Programmed")).Should(HaveLen(1))

		stopManager()
		begin := time.Now()
		stopManager = startManager()
		Expect(time.Since(begin)).To(BeNumerically("<", 4*time.Second))

		By("finding everything as it should be")
		late := objects.TenantBudget(newNamespace(ctx))
		create(ctx, late)
		expectProgrammed(ctx, late)
		Expect(get(ctx, budget)).To(Succeed())
		Expect(budget.ResourceVersion).To(Equal(version))
		Expect(eventsOf(ctx, budget, "Programmed")()).To(HaveLen(1))
	})
})

var _ = Describe("A status", func() {
	It("is not written over one that has not been seen", func(ctx SpecContext) {
		budget := objects.TenantBudget(newNamespace(ctx))
		create(ctx, budget)
		expectCondition(ctx, budget, v1alpha1.ConditionAccepted, "True Accepted")
		stale := budget.ResourceVersion
		update(ctx, budget, func(b *v1alpha1.TenantBudget) { b.Spec.Limits[0].Amount = "6.00" })

		budget.ResourceVersion = stale
		_, err := rollout.ApplyStatus(ctx, api, budget, budget.Status)
		Expect(err).To(Satisfy(apierrors.IsConflict))
	})
})

// listeners is how many subscribers the feed has. A message that is published before they are
// back is lost, and only the next poll finds what it was about.
func listeners(ctx context.Context) int64 {
	GinkgoHelper()
	channels, err := redisClient.PubSubNumSub(ctx, limiterv1.FeedChannel).Result()
	Expect(err).NotTo(HaveOccurred())
	return channels[limiterv1.FeedChannel]
}
