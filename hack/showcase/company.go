package showcase

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/period"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/parts/issuer"
)

const issuerURL = "https://login.northwind.example"

// Zone is the time zone of the company.
const Zone = "America/Argentina/Buenos_Aires"

// PlatformGroup is the group in the tokens of the platform's administrators.
const PlatformGroup = "platform-team"

// tenant is a tenant of the company.
type tenant struct {
	name, parent string
	// daily and monthly are its limits, and each is the limit of each user per day; in dollars.
	daily, monthly, each string
	// admin administers it, and people belong to it.
	admin  string
	people []string
	// perDay is how many calls it makes on a day of work.
	perDay int
	// byConsole is whether its budget was made in the console; that of others comes from files.
	byConsole bool
}

// owner is the manager of the fields of the tenant's budget and rate limits.
func (t tenant) owner() client.FieldOwner {
	if t.byConsole {
		return "bursar-console"
	}
	return kubectl
}

// kubectl is the manager of fields that come from files.
const kubectl client.FieldOwner = "kubectl-client-side-apply"

// tenants are the company's tenants, parents first.
func tenants() []tenant {
	return []tenant{
		{name: "northwind", daily: "40.00", monthly: "600.00", each: "5.00", admin: "carla", people: []string{"bruno"}, perDay: 6},
		{name: "research", parent: "northwind", daily: "18.00", monthly: "360.00", each: "2.50", admin: "rita", people: []string{"ana", "luis", "mei", "tomas", "ines", "oscar", "vera", "hugo", "nora"}, perDay: 130},
		{name: "support", parent: "northwind", daily: "11.00", monthly: "250.00", each: "5.00", admin: "sofia", people: []string{"pablo", "lucia", "marco"}, perDay: 85},
		{name: "sales", parent: "northwind", daily: "3.60", monthly: "90.00", each: "4.00", admin: "diego", people: []string{"elena", "raul"}, perDay: 26, byConsole: true},
		{name: "emea-sales", parent: "sales", daily: "2.00", monthly: "25.00", each: "2.00", admin: "fleur", people: []string{"jan"}, perDay: 9, byConsole: true},
	}
}

func (s *Showcase) makeCompany(ctx context.Context) error {
	provider := &v1alpha1.IdentityProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "company"},
		Spec: v1alpha1.IdentityProviderSpec{
			Issuer:        v1alpha1.Issuer{URL: issuerURL, Audiences: []string{"bursar"}, JWKS: string(issuer.Set(s.key))},
			ClaimMappings: v1alpha1.ClaimMappings{User: v1alpha1.ClaimMapping{Claim: "sub"}, Groups: &v1alpha1.ClaimMapping{Claim: "groups"}},
		},
	}
	if err := s.create(ctx, provider); err != nil {
		return err
	}
	for _, t := range tenants() {
		if err := s.makeTenant(ctx, t); err != nil {
			return fmt.Errorf("tenant %s: %w", t.name, err)
		}
	}
	if err := s.makeProviders(ctx); err != nil {
		return err
	}
	if err := s.makeHistory(ctx); err != nil {
		return err
	}
	if err := s.recordHealth(ctx, provider); err != nil {
		return err
	}
	for _, t := range tenants() {
		if err := s.tellStatus(ctx, t); err != nil {
			return fmt.Errorf("status of %s: %w", t.name, err)
		}
	}
	return nil
}

// create makes an object that the manager has accepted.
func (s *Showcase) create(ctx context.Context, object client.Object) error {
	return s.createBy(ctx, object, kubectl)
}

// createBy is create, with the manager of the object's fields.
func (s *Showcase) createBy(ctx context.Context, object client.Object, by client.FieldOwner) error {
	if err := s.Cluster.Create(ctx, object, by); err != nil {
		return err
	}
	return s.accept(ctx, object)
}

func (s *Showcase) accept(ctx context.Context, object client.Object) error {
	programmed, ok := object.(interface {
		GetProgrammedStatus() *v1alpha1.ProgrammedStatus
	})
	if !ok {
		return nil
	}
	status := programmed.GetProgrammedStatus()
	for _, kind := range []string{v1alpha1.ConditionAccepted, v1alpha1.ConditionProgrammed, v1alpha1.ConditionReady} {
		meta.SetStatusCondition(&status.Conditions, metav1.Condition{
			Type: kind, Status: metav1.ConditionTrue, Reason: kind, Message: "Enforced as written.", ObservedGeneration: object.GetGeneration(),
		})
	}
	return s.Cluster.Status().Update(ctx, object)
}

func (s *Showcase) makeTenant(ctx context.Context, t tenant) error {
	if err := s.Cluster.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: t.name}}); err != nil {
		return err
	}
	ref := v1alpha1.BudgetRef{Name: t.name}
	budget := &v1alpha1.TenantBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: t.name, Name: t.name},
		Spec: v1alpha1.TenantBudgetSpec{
			Tenant: t.name, TimeZone: Zone,
			Limits: []v1alpha1.MoneyLimit{
				{Name: "daily", Period: "Day", Amount: v1alpha1.Amount(t.daily)},
				{Name: "monthly", Period: "Month", Amount: v1alpha1.Amount(t.monthly)},
				{Name: "each-user", Period: "Day", Amount: v1alpha1.Amount(t.each), Per: v1alpha1.ScopeUser},
			},
			Alerts: &v1alpha1.Alerts{Email: []v1alpha1.EmailAddress{v1alpha1.EmailAddress(t.admin + "@northwind.example")}},
			Ladder: []v1alpha1.Rung{{AtPercent: 80, Action: "Warn"}, {AtPercent: 90, Action: "Trip"}},
		},
	}
	if t.name == "research" {
		budget.Spec.MemberKeys = &v1alpha1.MemberKeys{}
	}
	if t.parent != "" {
		budget.Spec.ParentRef = &v1alpha1.ParentRef{Namespace: t.parent, Name: t.parent}
	}
	if err := s.createBy(ctx, budget, t.owner()); err != nil {
		return err
	}
	if err := s.recordBudget(ctx, t, string(budget.UID)); err != nil {
		return err
	}
	members := []v1alpha1.Member{{Subject: t.admin, Tier: "corporativo", Admin: true}}
	for i, person := range t.people {
		members = append(members, v1alpha1.Member{Subject: person, Tier: v1alpha1.Tier([]string{"empleado", "gerente"}[i%4/3]), Groups: []v1alpha1.GivenGroup{v1alpha1.GivenGroup(groupOf(person))}})
	}
	requests := func(tier v1alpha1.Tier, n int64) v1alpha1.RateLimit {
		return v1alpha1.RateLimit{Name: string(tier), Tiers: []v1alpha1.Tier{tier}, Per: v1alpha1.ScopeUser, Requests: &n, Window: "1m"}
	}
	tokens := int64(200_000)
	for _, object := range []client.Object{
		&v1alpha1.Membership{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.name, Name: "people"},
			Spec:       v1alpha1.MembershipSpec{BudgetRef: ref, IdentityProviderRef: v1alpha1.IdentityProviderRef{Name: "company"}, Members: members},
		},
		&v1alpha1.RateLimitPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.name, Name: "tiers"},
			Spec: v1alpha1.RateLimitPolicySpec{
				TargetRef: &v1alpha1.TargetRef{Kind: "TenantBudget", Name: t.name},
				Limits: []v1alpha1.RateLimit{
					requests("empleado", 5), requests("gerente", 20), requests("corporativo", 100),
					{Name: "org-tokens", Per: v1alpha1.ScopeTenant, Tokens: &tokens, Window: "1m"},
				},
			},
		},
	} {
		if err := s.createBy(ctx, object, t.owner()); err != nil {
			return err
		}
	}
	return s.makeKeys(ctx, t)
}

// makeKeys makes an APIKey for every second person, some of them recently used.
func (s *Showcase) makeKeys(ctx context.Context, t tenant) error {
	for i, person := range t.people {
		if i%2 == 1 {
			continue
		}
		key := &v1alpha1.APIKey{
			ObjectMeta: metav1.ObjectMeta{Namespace: t.name, Name: person + "-laptop"},
			Spec:       v1alpha1.APIKeySpec{SHA256: fmt.Sprintf("%064x", int64(len(t.name))<<32+int64(i)+s.Now.Unix()), BudgetRef: v1alpha1.BudgetRef{Name: t.name}, User: person, Tier: "empleado"},
		}
		if i%4 == 2 {
			expires := metav1.NewTime(s.Now.AddDate(0, 0, 9))
			key.Spec.ExpiresAt = &expires
		}
		if err := s.create(ctx, key); err != nil {
			return err
		}
		used := metav1.NewTime(s.Now.Add(-time.Duration(1+i*i*i) * 5 * time.Hour).Truncate(time.Hour))
		key.Status.LastUsedTime = &used
		if err := s.Cluster.Status().Update(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// groupOf is the team of somebody.
func groupOf(person string) string {
	return []string{"search", "assistants", "evaluation"}[int(person[0])%3]
}

// tellStatus writes the status of a tenant's budget, as the manager would.
func (s *Showcase) tellStatus(ctx context.Context, t tenant) error {
	var budget v1alpha1.TenantBudget
	if err := s.Cluster.Get(ctx, client.ObjectKey{Namespace: t.name, Name: t.name}, &budget); err != nil {
		return err
	}
	zone, err := time.LoadLocation(Zone)
	if err != nil {
		return err
	}
	spent, trips := s.spent[t.name], ""
	for _, limit := range budget.Spec.Limits[:2] {
		amount, err := money.Parse(string(limit.Amount))
		if err != nil {
			return err
		}
		used := map[string]money.Nanos{"Day": spent.day, "Month": spent.month}[limit.Period]
		status := v1alpha1.MoneyLimitStatus{
			Name: limit.Name, Amount: amount.String(), Spent: used.String(), Held: (used / 400).String(), Percent: used.Percent(amount),
			ResetsAt: metav1.NewTime(period.Containing(period.Kind(limit.Period), zone, s.Now).End),
		}
		switch {
		case status.Percent >= 90:
			status.Rung, trips = v1alpha1.ActionTrip, limit.Name
		case status.Percent >= 80:
			status.Rung = v1alpha1.ActionWarn
		}
		budget.Status.Limits = append(budget.Status.Limits, status)
	}
	since := metav1.NewTime(s.Now.Add(-3 * time.Hour))
	budget.Status.Breaker = &v1alpha1.BreakerStatus{State: v1alpha1.BreakerClosed, Since: &since}
	if trips != "" {
		at := slices.IndexFunc(budget.Status.Limits, func(l v1alpha1.MoneyLimitStatus) bool { return l.Name == trips })
		budget.Status.Breaker = &v1alpha1.BreakerStatus{State: v1alpha1.BreakerOpen, Limit: trips, Since: &since, ClosesAt: &budget.Status.Limits[at].ResetsAt}
	}
	budget.Status.Revision, budget.Status.Enforcers = 412, &v1alpha1.EnforcerCount{Ready: 2, Total: 2}
	return s.Cluster.Status().Update(ctx, &budget)
}
