package api_test

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/console/api"
	"github.com/bursar-dev/bursar/console/auth"
	"github.com/bursar-dev/bursar/console/cluster"
	"github.com/bursar-dev/bursar/console/health"
	"github.com/bursar-dev/bursar/console/marks"
	"github.com/bursar-dev/bursar/console/requests"
	"github.com/bursar-dev/bursar/console/said"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
	"github.com/bursar-dev/bursar/hack/testkit"
	"github.com/bursar-dev/bursar/history"
)

func options(watched *cluster.Cluster, log *slog.Logger) api.Options {
	return api.Options{
		Auth:    auth.New(auth.Options{Identifier: knownTo(watched), Tenants: watched, AdminTiers: []string{"corporativo"}, PlatformAdmins: platformAdmins}),
		Cluster: watched, Ledger: history.NewReader(shared.reader), Marks: marks.New(shared.reader), Requests: requests.New(shared.reader), Locks: said.NewLocks(shared.reader), Health: health.New(shared.reader), Log: log, Now: clock, Version: "test",
	}
}

// answer is what the console has answered.
type answer struct {
	status int
	header http.Header
	body   string
}

func send(t testkit.T, request *http.Request) answer {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	testkit.Must(t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	testkit.Must(t, err)
	got := answer{response.StatusCode, response.Header, string(body)}
	checkDescribed(t, request, got)
	return got
}

// read takes the body for JSON.
func (a answer) read(t testkit.T, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), into); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// problem is the code of a Problem, and the first parameter that it names.
func (a answer) problem(t testkit.T) (code, parameter string) {
	t.Helper()
	var p api.Problem
	a.read(t, &p)
	if len(p.Errors) > 0 {
		parameter = p.Errors[0].Parameter
	}
	return p.Code, parameter
}

// create makes an object that the manager has accepted.
func create(ctx context.Context, object client.Object) error {
	if err := shared.admin.Create(ctx, object, client.FieldOwner(cluster.FieldManager)); err != nil {
		return fmt.Errorf("%T %s: %w", object, object.GetName(), err)
	}
	return decide(ctx, object, metav1.ConditionTrue)
}

// decide says what the manager has found of an object.
func decide(ctx context.Context, object client.Object, accepted metav1.ConditionStatus) error {
	programmed, ok := object.(interface {
		GetProgrammedStatus() *v1alpha1.ProgrammedStatus
	})
	if !ok {
		return nil
	}
	status := programmed.GetProgrammedStatus()
	for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionReady} {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: accepted, Reason: "Test", Message: "a test says so", ObservedGeneration: object.GetGeneration(),
		})
	}
	return shared.admin.Status().Update(ctx, object)
}

func tenantBudget(tenant, parent string) *v1alpha1.TenantBudget {
	budget := &v1alpha1.TenantBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: tenant},
		Spec: v1alpha1.TenantBudgetSpec{
			Tenant: tenant, TimeZone: "America/Argentina/Buenos_Aires",
			Limits: []v1alpha1.MoneyLimit{
				{Name: "daily", Period: "Day", Amount: "5.00"},
				{Name: "each-user", Period: "Day", Amount: "0.50", Per: v1alpha1.ScopeUser},
				{Name: "of-platform", Period: "Day", Amount: "5.00", Groups: []v1alpha1.Group{"platform"}},
				{Name: "of-research", Period: "Day", Amount: "5.00", Groups: []v1alpha1.Group{"research"}},
			},
			Ladder: []v1alpha1.Rung{{AtPercent: 90, Action: "Trip"}},
		},
	}
	if parent != "" {
		budget.Spec.ParentRef = &v1alpha1.ParentRef{Namespace: parent, Name: parent}
		budget.Spec.Alerts = &v1alpha1.Alerts{
			Email:     []v1alpha1.EmailAddress{"ops@example.com"},
			PagerDuty: &v1alpha1.PagerDutyAlerts{RoutingKeySecretRef: v1alpha1.SecretKeyRef{Name: "alerts", Key: "pagerduty"}},
			Filters:   []v1alpha1.AlertFilter{{Recipients: []v1alpha1.AlertRecipient{"PagerDuty"}, MinSeverity: v1alpha1.SeverityCritical}},
		}
	}
	return budget
}

// ratePolicy is a tenant's policy, which limits each user, and all together.
func ratePolicy(tenant string) *v1alpha1.RateLimitPolicy {
	each, all := int64(5), int64(100)
	return &v1alpha1.RateLimitPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "speed"},
		Spec: v1alpha1.RateLimitPolicySpec{TargetRef: &v1alpha1.TargetRef{Kind: "TenantBudget", Name: tenant}, Limits: []v1alpha1.RateLimit{
			{Name: "each", Per: v1alpha1.ScopeUser, Requests: &each, Window: "1m"},
			{Name: "all", Per: v1alpha1.ScopeTenant, Requests: &all, Window: "1m"},
		}},
	}
}

func member(subject string, admin bool) v1alpha1.Member {
	return v1alpha1.Member{Subject: subject, Tier: "empleado", Admin: admin}
}

// makeWorld makes the tenants, who belongs to them, and what they did.
func makeWorld(ctx context.Context) error {
	provider := &v1alpha1.IdentityProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "company"},
		Spec: v1alpha1.IdentityProviderSpec{
			Issuer:        v1alpha1.Issuer{URL: "https://login.example.com", Audiences: []string{"bursar"}, JWKS: string(issuer.Set(shared.key))},
			ClaimMappings: v1alpha1.ClaimMappings{User: v1alpha1.ClaimMapping{Claim: "sub"}, Groups: &v1alpha1.ClaimMapping{Claim: "groups"}},
		},
	}
	if err := create(ctx, provider); err != nil {
		return err
	}
	people := map[string][]v1alpha1.Member{
		"company": {member("carla.company", true)},
		"acme":    {member("ana.acme", false), member("zoe.acme", false), member("adam.acme", true)},
		"globex":  {member("gus.globex", false), member("gina.globex", true)},
		"hooli":   {member("hana.hooli", false), member("hugo.hooli", true)}, // which tests may change
	}
	people["acme"][0].Groups = []v1alpha1.GivenGroup{"platform"} // which a tenant may call its groups, and gives nobody anything
	for _, tenant := range []string{"company", "acme", "globex", "hooli"} {
		parent := map[string]string{"acme": "company"}[tenant]
		if err := makeTenant(ctx, tenant, parent, people[tenant]); err != nil {
			return err
		}
	}
	for user, tier := range map[string]string{"ana.acme": "empleado", "zoe.acme": "empleado", "cora.acme": "corporativo"} {
		if err := makeKey(ctx, "acme", user, tier); err != nil {
			return err
		}
	}
	if err := makeKey(ctx, "globex", "gus.globex", "empleado"); err != nil {
		return err
	}
	return makeImpostor(ctx)
}

// makeImpostor makes a namespace whose TenantBudget names acme, which the manager has refused,
// and whose Membership has an admin.
func makeImpostor(ctx context.Context) error {
	if err := shared.admin.Create(ctx, namespace("impostor")); err != nil {
		return err
	}
	budget := tenantBudget("impostor", "")
	budget.Spec.Tenant = "acme"
	if err := shared.admin.Create(ctx, budget); err != nil {
		return err
	}
	if err := decide(ctx, budget, metav1.ConditionFalse); err != nil {
		return err
	}
	return create(ctx, membership("impostor", []v1alpha1.Member{member("ivan.impostor", true)}))
}

func membership(tenant string, members []v1alpha1.Member) *v1alpha1.Membership {
	return &v1alpha1.Membership{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "people"},
		Spec: v1alpha1.MembershipSpec{
			BudgetRef: v1alpha1.BudgetRef{Name: tenant}, IdentityProviderRef: v1alpha1.IdentityProviderRef{Name: "company"}, Members: members,
		},
	}
}

func makeTenant(ctx context.Context, tenant, parent string, members []v1alpha1.Member) error {
	if err := shared.admin.Create(ctx, namespace(tenant)); err != nil {
		return err
	}
	budget := tenantBudget(tenant, parent)
	if err := shared.admin.Create(ctx, budget, client.FieldOwner(cluster.FieldManager)); err != nil {
		return err
	}
	if err := create(ctx, ratePolicy(tenant)); err != nil {
		return err
	}
	for _, limit := range []string{"daily", "of-platform", "of-research"} {
		budget.Status.Limits = append(budget.Status.Limits, v1alpha1.MoneyLimitStatus{
			Name: limit, Amount: "5.00", Spent: "1.00", Held: "0.25", Percent: 20, ResetsAt: metav1.NewTime(now.Add(time.Hour)),
		})
	}
	if err := decide(ctx, budget, metav1.ConditionTrue); err != nil {
		return err
	}
	if err := create(ctx, membership(tenant, members)); err != nil {
		return err
	}
	if err := record(ctx, tenant, budget); err != nil {
		return err
	}
	for _, m := range members {
		if err := recordCalls(ctx, tenant, parent, m.Subject); err != nil {
			return err
		}
	}
	return nil
}

// requestBy is the id of what a user has asked for.
func requestBy(user string) string { return uuid.UUID(md5.Sum([]byte("request of " + user))).String() }

// alertOf is the id of the alert about a user, or about a tenant.
func alertOf(whose string) string { return uuid.UUID(md5.Sum([]byte("alert of " + whose))).String() }

// record puts a tenant's budget, an alert and a grant on record.
func record(ctx context.Context, tenant string, budget *v1alpha1.TenantBudget) error {
	for _, statement := range []string{
		`INSERT INTO tenants (tenant_id, namespace, budget, budget_uid, generation, time_zone) VALUES ($1, $1, $1, $2, 1, 'America/Argentina/Buenos_Aires')`,
		`INSERT INTO budget_changes (tenant_id, namespace, budget, budget_uid, generation, change, changed_by) VALUES ($1, $1, $1, $2, 1, 'Set', ARRAY['changer-of-' || $1])`,
		`INSERT INTO budget_limits (tenant_id, limit_name, per, period, time_zone, amount_nanos, budget_uid, generation, valid_from, groups)
		 SELECT $1, name, per, 'Day', 'America/Argentina/Buenos_Aires', amount, $2, 1, '2026-01-01Z', groups::text[]
		 FROM (VALUES ('daily', 'Tenant', 5000000000, '{}'), ('each-user', 'User', 500000000, '{}'),
		   ('each-of-platform', 'User', 500000000, '{platform}'), ('each-of-research', 'User', 500000000, '{research}'),
		   ('each-group', 'Group', 500000000, '{}'), ('each-key', 'Key', 500000000, '{}')) AS l (name, per, amount, groups)`,
		`INSERT INTO cost_alerts (alert_id, tenant_id, budget_uid, limit_name, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message)
		 VALUES (md5('alert of ' || $1)::uuid, $1, $2, 'daily', '2026-11-18Z', '2026-11-19Z', 'Warn', 80, 5000000000, 4000000000, 'alert of ' || $1)`,
		`INSERT INTO cost_alerts (tenant_id, budget_uid, limit_name, group_name, credential, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message)
		 SELECT $1, $2, 'each-' || name, team, key, '2026-11-18Z', '2026-11-19Z', 'Warn', 80, 5000000000, 4000000000, 'alert of a ' || name
		 FROM (VALUES ('group', 'research', ''), ('key', '', $1 || '/ci')) AS owner (name, team, key)`,
		`INSERT INTO budget_grants (grant_uid, tenant_id, namespace, grant_name, limit_name, group_name, credential, amount_nanos, reason, expires_at, created_at)
		 SELECT gen_random_uuid()::text, $1, $1, 'for-a-' || name, 'each-' || name, team, key, 1000000000, $2, '2026-12-01Z', '2026-11-01Z'
		 FROM (VALUES ('group', 'research', NULL), ('key', NULL, $1 || '/ci')) AS owner (name, team, key)`,
	} {
		if _, err := shared.ledger.Exec(ctx, statement, tenant, string(budget.UID)); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	return nil
}

// recordCalls puts two calls of a user on record, the one of today, and one that was refused,
// an alert and a grant. Whatever is about the user has the user's name in it.
func recordCalls(ctx context.Context, tenant, parent, user string) error {
	ancestors := []string{}
	if parent != "" {
		ancestors = append(ancestors, parent)
	}
	for i, at := range []time.Time{now.Add(-time.Hour), now.AddDate(0, 0, -3)} {
		_, err := shared.ledger.Exec(ctx, `
INSERT INTO ai_usage_logs (call_id, tenant_id, user_id, tier, credential, provider, model_asked, model_used, model, endpoint, streamed, admitted_at, settled_at,
  outcome, input_tokens, output_tokens, held_nanos, cost_nanos, session, decision, ancestors)
VALUES ($1, $2, $3, 'empleado', '', 'openai', 'model-of-' || $3, 'gpt', 'gpt', 'chat', false, $4, $4, 'Settled', 100, 10, 2000000, 1000001, 's', 'Admitted', $5)`,
			fmt.Sprintf("call-%d-of-%s", i, user), tenant, user, at, ancestors)
		if err != nil {
			return err
		}
	}
	_, err := shared.ledger.Exec(ctx, `
INSERT INTO ai_refusals (call_id, tenant_id, user_id, tier, credential, model_asked, model, endpoint, refused_at, reason, limit_tenant, limit_name, per, period,
  amount_nanos, spent_nanos, held_nanos, resets_at, unit, bound_nanos, tokens, fallback, session)
VALUES ('refused-of-' || $2, $1, $2, 'empleado', '', 'model-of-' || $2, 'gpt', 'chat', $3, 'BudgetExhausted', $1, 'each-user', 'User', 'Day',
  500000000, 499000000, 0, '2026-11-19T03:00:00Z', '', 2000000, 0, '', 's')`, tenant, user, now.Add(-30*time.Minute))
	if err != nil {
		return err
	}
	if _, err := shared.ledger.Exec(ctx, `
INSERT INTO cost_alerts (alert_id, tenant_id, budget_uid, limit_name, user_id, period_start, period_end, action, at_percent, amount_nanos, spent_nanos, message)
SELECT md5('alert of ' || $2)::uuid, $1, budget_uid, 'each-user', $2, '2026-11-18Z', '2026-11-19Z', 'Warn', 80, 500000000, 450000000, 'alert of ' || $2 FROM tenants WHERE tenant_id = $1`,
		tenant, user); err != nil {
		return err
	}
	if _, err := shared.ledger.Exec(ctx, `
INSERT INTO budget_requests (request_id, tenant_id, user_id, requested_by, limit_name, amount, expires_at, reason)
VALUES (md5('request of ' || $2)::uuid, $1, $2, 'company/' || $2, 'each-user', '2.00', '2099-01-01Z', 'request of ' || $2)`, tenant, user); err != nil {
		return err
	}
	_, err = shared.ledger.Exec(ctx, `
INSERT INTO budget_grants (grant_uid, tenant_id, namespace, grant_name, limit_name, user_id, amount_nanos, reason, expires_at, created_at)
VALUES ($3, $1, $1, 'grant-of-' || $2, 'each-user', $2, 1000000000, 'because of ' || $2, '2026-12-01Z', '2026-11-01Z')`, tenant, user, uuid.NewString())
	return err
}
