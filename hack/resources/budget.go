package resources

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

var (
	amounts = []v1alpha1.Amount{
		"0", "0.00", "0.000000001", "0.01", "5", "5.00", "0005.5", "100.123456789", "1000000", "8999999.999999999", "9000000",
		"9000000.000000000", "00000000000000000000000000000005",
	}
	zones = []string{
		"", "UTC", "America/Argentina/Buenos_Aires", "Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "Europe/Dublin",
		"America/Port-au-Prince", "Etc/GMT+12", "Antarctica/Troll", "Australia/Lord_Howe", "EST5EDT",
	}
	periods = []string{
		"Minute", "Hour", "Day", "Week", "Month", "Quarter", "Year", "1s", "59s", "5m", "1h30m", "86400s", "24h",
	}
	tiers  = []v1alpha1.Tier{"empleado", "gerente", "corporativo", "a", "9", v1alpha1.Tier(strings.Repeat("t", 63)), "a--b"}
	models = []v1alpha1.ModelName{
		"gpt-4o", "gpt-4o-mini", "o1", "meta-llama/Llama-3.3-70B:free", "publishers/google/models/x@001", "A",
		v1alpha1.ModelName(strings.Repeat("m", 128)),
	}
	groups = []v1alpha1.Group{"research", "eu, west", "A", "Equipo Ñ", v1alpha1.Group(strings.Repeat("g", 256))}
	labels = []v1alpha1.CallerLabels{
		nil, {"cost-centre": "4711"}, {"cost-centre": "4711", "team": "a \"quoted\" one"}, {strings.Repeat("l", 63): v1alpha1.CallerLabel(strings.Repeat("é", 256))},
	}
	messages = []string{"x", "The budget is used up.\nAsk your platform team.", "El presupuesto está agotado ¯\\_(ツ)_/¯ 予算", strings.Repeat("é", 2048)}
)

// budget makes one that is valid.
func (m *Maker) budget() Resource {
	b := m.newBudget()
	if len(m.budgets) > 0 && m.oneIn(5) {
		b.Spec.ParentRef = m.parent()
	}
	m.budgets = append(m.budgets, b)
	return valid(b)
}

// parent names a valid budget that has no parent of its own.
func (m *Maker) parent() *v1alpha1.ParentRef {
	for {
		if parent := pick(m, m.budgets...); parent.Spec.ParentRef == nil {
			return &v1alpha1.ParentRef{Name: parent.Name, Namespace: pick(m, "", parent.Namespace)}
		}
	}
}

// newBudget makes a budget without a parent.
func (m *Maker) newBudget() *v1alpha1.TenantBudget {
	name := m.name("budget")
	b := &v1alpha1.TenantBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "TenantBudget"},
		ObjectMeta: metav1.ObjectMeta{Namespace: m.delegated, Name: name, Labels: map[string]string{"plan": name}},
		Spec: v1alpha1.TenantBudgetSpec{
			Tenant: m.delegated + "-" + name, TimeZone: pick(m, zones...), Limits: m.moneyLimits(), Ladder: m.ladder(),
			Enforcement: pick(m, "", v1alpha1.EnforcementEnforce, v1alpha1.EnforcementShadow),
		},
	}
	if m.oneIn(4) {
		b.Spec.Breaker = &v1alpha1.Breaker{Forced: pick(m, "", v1alpha1.BreakerOpen, v1alpha1.BreakerClosed)}
		if b.Spec.Breaker.Forced != "" {
			b.Spec.Breaker.Reason = pick(m, "", "A key was leaked.", strings.Repeat("é", 512))
		}
	}
	if m.oneIn(4) {
		b.Spec.Contact = pick(m, "ai-platform@example.com", "#ai-budgets", strings.Repeat("é", 256))
	}
	if m.oneIn(4) { // at a rate at which no amount becomes too large or too small
		b.Spec.Currency = &v1alpha1.Currency{Code: pick(m, "EUR", "CHF", "XYZ"), USDPerUnit: pick(m, "1", "1.0", "0001.000000000"), AsOf: "2026-10-01"}
	}
	if m.oneIn(4) {
		b.Spec.AssumedOutputTokens = ptr.To(pick[int64](m, 1, 1000, 10_000_000))
	}
	if m.oneIn(3) {
		b.Spec.OutputCaps = m.outputCaps()
	}
	if m.oneIn(3) {
		b.Spec.Fit = &v1alpha1.Fit{
			Mode: pick(m, "", v1alpha1.FitLowerOutput, v1alpha1.FitRefuse), MinOutputTokens: pick[int64](m, 0, 16, 1024, 10_000_000),
		}
	}
	if m.oneIn(4) {
		b.Spec.OnStoreLoss, b.Spec.StoreLossPercent = v1alpha1.StoreLossAllowBounded, pick(m, nil, ptr.To[int32](1), ptr.To[int32](50))
	}
	b.Spec.UnknownModel = pick(m, "", v1alpha1.UnknownModelDeny, v1alpha1.UnknownModelPriceAsMostExpensive)
	for _, name := range some(m, 16, models...) {
		v := v1alpha1.VirtualModel{Name: name}
		for len(v.Models) == 0 {
			v.Models = some(m, 8, models...)
		}
		b.Spec.VirtualModels = append(b.Spec.VirtualModels, v)
	}
	return b
}

// outputCaps are some caps for different calls.
func (m *Maker) outputCaps() []v1alpha1.OutputCap {
	var caps []v1alpha1.OutputCap
	selected := map[string]bool{}
	for range pick(m, 1, 2, 16) {
		c := v1alpha1.OutputCap{
			MaxOutputTokens: pick[int64](m, 16, 4096, 10_000_000), Tiers: some(m, 16, tiers...), Models: some(m, 16, models...),
		}
		// These are sets: their order makes no difference.
		if selects := fmt.Sprint(slices.Sorted(slices.Values(c.Tiers)), slices.Sorted(slices.Values(c.Models))); !selected[selects] {
			selected[selects] = true
			caps = append(caps, c)
		}
	}
	return caps
}

// moneyLimits are some that count different calls, or in different periods.
func (m *Maker) moneyLimits() []v1alpha1.MoneyLimit {
	var limits []v1alpha1.MoneyLimit
	counted := map[string]bool{}
	for range pick(m, 1, 1, 2, 3, 3, 16) {
		limit := v1alpha1.MoneyLimit{
			Name: fmt.Sprintf("limit-%d", len(limits)), Period: pick(m, periods...), Amount: pick(m, amounts...),
			Per: pick(m, "", v1alpha1.ScopeTenant, v1alpha1.ScopeUser, v1alpha1.ScopeGroup, v1alpha1.ScopeKey),
		}
		if m.oneIn(3) {
			limit.Tiers, limit.Models = some(m, 16, tiers...), some(m, 16, models...)
		}
		if m.oneIn(3) {
			limit.Groups, limit.Labels = some(m, 16, groups...), pick(m, labels...)
		}
		if counts := whatCounts(limit); !counted[counts] {
			counted[counts] = true
			limits = append(limits, limit)
		}
	}
	return limits
}

// whatCounts identifies the calls that a limit counts, and its period.
func whatCounts(limit v1alpha1.MoneyLimit) string {
	if limit.Per == "" {
		limit.Per = v1alpha1.ScopeTenant
	}
	return fmt.Sprint(limit.Period, limit.Per, slices.Sorted(slices.Values(limit.Tiers)), slices.Sorted(slices.Values(limit.Models)),
		slices.Sorted(slices.Values(limit.Groups)), limit.Labels)
}

// ladder has at most one rung of each action, in the order in which they may stand; nil
// is for the default.
func (m *Maker) ladder() []v1alpha1.Rung {
	if m.oneIn(4) {
		return nil
	}
	rungs := []v1alpha1.Rung{}
	for _, percent := range some(m, 3, int32(1), 50, 79) {
		rungs = append(rungs, v1alpha1.Rung{AtPercent: percent, Action: v1alpha1.ActionWarn})
	}
	if m.oneIn(2) {
		downgrade := v1alpha1.Rung{AtPercent: 80, Action: v1alpha1.ActionDowngrade}
		for i := range pick(m, 1, 2, 64) {
			from := v1alpha1.ModelName(fmt.Sprintf("model-%d", i))
			downgrade.Models = append(downgrade.Models, v1alpha1.Replacement{From: from, To: pick(m, models...)})
		}
		rungs = append(rungs, downgrade)
	}
	if m.oneIn(2) {
		rungs = append(rungs, m.trip())
	}
	m.Shuffle(len(rungs), func(i, j int) { rungs[i], rungs[j] = rungs[j], rungs[i] })
	return rungs
}

func (m *Maker) trip() v1alpha1.Rung {
	trip := v1alpha1.Rung{AtPercent: pick[int32](m, 81, 90, 100), Action: v1alpha1.ActionTrip}
	for _, fallback := range some(m, 2, v1alpha1.FallbackCache, v1alpha1.FallbackCheapestModel) {
		trip.Fallback = append(trip.Fallback, fallback)
		if fallback == v1alpha1.FallbackCache && m.oneIn(2) {
			trip.Cache = &v1alpha1.CacheFallback{MaxAge: pick(m, "", "1s", "90m", "24h")}
		}
		if fallback == v1alpha1.FallbackCheapestModel && m.oneIn(2) {
			trip.CheapestModel = &v1alpha1.CheapestModelFallback{Models: some(m, 16, models...)}
		}
	}
	if m.oneIn(2) {
		trip.Fallback, trip.Message = append(trip.Fallback, v1alpha1.FallbackMessage), pick(m, messages...)
	}
	return trip
}
