package v1alpha1_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
)

func TestValidation(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "What the API server takes and what it refuses")
}

var api client.Client

var _ = BeforeSuite(func(ctx SpecContext) {
	server, err := kubernetes.Start(ctx, kubernetes.Options{})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(server.Stop)
	scheme := runtime.NewScheme()
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	api, err = client.New(server.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
})

const namespace = "default"

func budget(change func(*v1alpha1.TenantBudgetSpec)) client.Object {
	b := &v1alpha1.TenantBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "it"},
		Spec: v1alpha1.TenantBudgetSpec{
			Tenant: "acme",
			Limits: []v1alpha1.MoneyLimit{{Name: "daily", Period: "Day", Amount: "5.00"}},
		},
	}
	change(&b.Spec)
	return b
}

func amount(a v1alpha1.Amount) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Amount = a })
}

func limit(change func(*v1alpha1.MoneyLimit)) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) { change(&s.Limits[0]) })
}

func period(kind string) client.Object {
	return limit(func(l *v1alpha1.MoneyLimit) { l.Period = kind })
}

// twoLimits are two limits that differ in name and amount, and in what is changed.
func twoLimits(change func(a, b *v1alpha1.MoneyLimit)) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Limits = append(s.Limits, v1alpha1.MoneyLimit{Name: "another", Period: "Day", Amount: "6.00"})
		change(&s.Limits[0], &s.Limits[1])
	})
}

func virtual(models ...v1alpha1.ModelName) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.VirtualModels = []v1alpha1.VirtualModel{{Name: "auto", Models: append([]v1alpha1.ModelName{}, models...)}}
	})
}

func ladder(rungs ...v1alpha1.Rung) client.Object {
	return budget(func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = rungs })
}

// trip is a ladder of one rung, of action Trip unless that is changed.
func trip(change func(*v1alpha1.Rung)) client.Object {
	rung := v1alpha1.Rung{AtPercent: 90, Action: "Trip"}
	change(&rung)
	return ladder(rung)
}

func cached(maxAge string) client.Object {
	return trip(func(r *v1alpha1.Rung) {
		r.Fallback, r.Cache = []v1alpha1.Fallback{"Cache"}, &v1alpha1.CacheFallback{MaxAge: maxAge}
	})
}

var cheaper = []v1alpha1.Replacement{{From: "gpt-4o", To: "gpt-4o-mini"}}

func policy(change func(*v1alpha1.RateLimitPolicySpec)) client.Object {
	p := &v1alpha1.RateLimitPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "it"},
		Spec: v1alpha1.RateLimitPolicySpec{
			TargetRef: v1alpha1.TargetRef{Name: "acme"},
			Limits: []v1alpha1.RateLimit{{
				Name: "gerente", Tiers: []v1alpha1.Tier{"gerente"}, Per: v1alpha1.ScopeUser, Requests: ptr.To[int64](20), Window: "1m",
			}},
		},
	}
	change(&p.Spec)
	return p
}

func rate(change func(*v1alpha1.RateLimit)) client.Object {
	return policy(func(s *v1alpha1.RateLimitPolicySpec) { change(&s.Limits[0]) })
}

func concurrent(change func(*v1alpha1.RateLimit)) client.Object {
	return rate(func(r *v1alpha1.RateLimit) {
		r.Requests, r.Window, r.Concurrent = nil, "", ptr.To[int64](2)
		change(r)
	})
}

func provider(change func(*v1alpha1.ModelProviderSpec)) client.Object {
	p := &v1alpha1.ModelProvider{
		ObjectMeta: metav1.ObjectMeta{Name: "it"},
		Spec: v1alpha1.ModelProviderSpec{
			Endpoint: "https://api.openai.com/v1",
			Models: []v1alpha1.Model{{
				Name: "gpt-4o", MaxOutputTokens: 16384, Prices: v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "2.50", Output: "10.00"}},
			}},
		},
	}
	change(&p.Spec)
	return p
}

func model(change func(*v1alpha1.Model)) client.Object {
	return provider(func(s *v1alpha1.ModelProviderSpec) { change(&s.Models[0]) })
}

// longContext, changes and the prices of serviceTier are good as they are.
func longContext() []v1alpha1.LongContextPrices {
	return []v1alpha1.LongContextPrices{{AboveInputTokens: 200_000, PriceList: v1alpha1.PriceList{Input: "5", CachedInput: "2.50", Output: "15"}}}
}

func changes() []v1alpha1.PriceChange {
	return []v1alpha1.PriceChange{{
		EffectiveFrom: metav1.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
		Prices:        v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "2", Output: "8"}},
	}}
}

func long(change func(*v1alpha1.LongContextPrices)) client.Object {
	return model(func(m *v1alpha1.Model) {
		m.Prices.LongContext = longContext()
		change(&m.Prices.LongContext[0])
	})
}

func serviceTier(change func(*v1alpha1.ServiceTierPrices)) client.Object {
	return model(func(m *v1alpha1.Model) {
		m.Prices.ServiceTiers = []v1alpha1.ServiceTierPrices{{Name: "flex", PriceList: v1alpha1.PriceList{Input: "1.25", Output: "5"}}}
		change(&m.Prices.ServiceTiers[0])
	})
}

func change(edit func(*v1alpha1.PriceChange)) client.Object {
	return model(func(m *v1alpha1.Model) {
		m.PriceChanges = changes()
		edit(&m.PriceChanges[0])
	})
}

var hash = strings.Repeat("0123456789abcdef", 4)

func key(change func(*v1alpha1.APIKeySpec)) client.Object {
	k := &v1alpha1.APIKey{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "it"},
		Spec: v1alpha1.APIKeySpec{
			SHA256: hash, BudgetRef: v1alpha1.BudgetRef{Name: "acme"}, User: "reports@example.com", Tier: "gerente",
		},
	}
	change(&k.Spec)
	return k
}

func asIs[T any](*T) {}

// expectRefusal checks that the error names the field and says what is wrong.
func expectRefusal(err error, field, says string) {
	GinkgoHelper()
	Expect(err).To(HaveOccurred())
	var status apierrors.APIStatus
	Expect(errors.As(err, &status)).To(BeTrue(), "not an answer of the API server: %v", err)
	Expect(apierrors.IsInvalid(err)).To(BeTrue(), "not refused as invalid: %v", err)
	var causes []string
	for _, cause := range status.Status().Details.Causes {
		causes = append(causes, cause.Field+": "+cause.Message)
	}
	Expect(causes).To(ContainElement(SatisfyAll(HavePrefix(field+": "), ContainSubstring(says))), "the error was: %v", err)
}

var _ = DescribeTable("refuses",
	func(ctx SpecContext, object client.Object, field, says string) {
		expectRefusal(api.Create(ctx, object, client.DryRunAll), field, says)
	},

	// TenantBudget
	Entry("an amount below zero", amount("-5.00"), "spec.limits[0].amount", "must not be negative"),
	Entry("an amount in words", amount("five"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount with a currency", amount("$5.00"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount with an exponent", amount("5e3"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount with a comma", amount("1,000"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount with a plus", amount("+5"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount that ends in a point", amount("5."), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount with a line after it", amount("5\n"), "spec.limits[0].amount", "must be a decimal number of US dollars"),
	Entry("an amount finer than a nano-dollar", amount("0.0000000001"), "spec.limits[0].amount", "at most 9 digits after the point"),
	Entry("an amount that is too large", amount("9000001"), "spec.limits[0].amount", "at most 9000000 US dollars"),
	Entry("an amount that is too large by a nano-dollar", amount("9000000.000000001"), "spec.limits[0].amount", "at most 9000000 US dollars"),
	Entry("an empty amount", amount(""), "spec.limits[0].amount", "should be at least 1 chars long"),
	Entry("a tenant with capitals", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Tenant = "Acme" }),
		"spec.tenant", "must be lower-case letters, digits and hyphens"),
	Entry("a tenant that ends in a hyphen", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Tenant = "acme-" }),
		"spec.tenant", "must be lower-case letters, digits and hyphens"),
	Entry("no tenant", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Tenant = "" }),
		"spec.tenant", "should be at least 1 chars long"),
	Entry("a virtual model of none", virtual(), "spec.virtualModels[0].models", "should have at least 1 items"),
	Entry("a virtual model that names one twice", virtual("gpt-4o", "gpt-4o"), "spec.virtualModels[0].models", "must not name a model twice"),
	Entry("a virtual model with blanks", virtual("gpt 4o"), "spec.virtualModels[0].models[0]", "must be a model name"),
	Entry("no limits", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits = []v1alpha1.MoneyLimit{} }),
		"spec.limits", "should have at least 1 items"),
	Entry("two limits of a name", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits = append(s.Limits, s.Limits[0]) }),
		"spec.limits[1]", "Duplicate value"),
	Entry("a limit's name with a dot", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Name = "a.b" }),
		"spec.limits[0].name", "must be lower-case letters, digits and hyphens"),
	Entry("a period that does not exist", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Period = "Fortnight" }),
		"spec.limits[0].period", "must be Minute, Hour,"),
	Entry("a window as a period that is too short", period("0s"), "spec.limits[0].period", "between 1s and 24h"),
	Entry("a window as a period that is too long", period("24h1s"), "spec.limits[0].period", "between 1s and 24h"),
	Entry("a window as a period that is not whole seconds", period("1500ms"), "spec.limits[0].period", "whole seconds"),
	Entry("a window as a period with a fraction", period("1.5m"), "spec.limits[0].period", "whole seconds"),
	Entry("a window as a period without a unit", period("60"), "spec.limits[0].period", "such as \"5m\""),
	Entry("a window as a period into the past", period("-5m"), "spec.limits[0].period", "such as \"5m\""),
	Entry("a window as a period longer than can be said", period("99999999999999h"), "spec.limits[0].period", ""),
	Entry("two limits that count the same", twoLimits(func(a, b *v1alpha1.MoneyLimit) {}),
		"spec.limits", "must not have two limits with the same period, per, tiers and models"),
	Entry("two limits that count the same window", twoLimits(func(a, b *v1alpha1.MoneyLimit) { a.Period, b.Period = "5m", "5m" }),
		"spec.limits", "must not have two limits with the same period, per, tiers and models"),
	Entry("two limits that count the same tiers and models, in whatever order", twoLimits(func(a, b *v1alpha1.MoneyLimit) {
		a.Tiers, b.Tiers = []v1alpha1.Tier{"gerente", "empleado"}, []v1alpha1.Tier{"empleado", "gerente"}
		a.Models, b.Models = []v1alpha1.ModelName{"gpt-4o", "o1"}, []v1alpha1.ModelName{"o1", "gpt-4o"}
	}), "spec.limits", "must not have two limits with the same period, per, tiers and models"),
	Entry("a money limit's tier twice", limit(func(l *v1alpha1.MoneyLimit) { l.Tiers = []v1alpha1.Tier{"gerente", "gerente"} }),
		"spec.limits[0].tiers[1]", "Duplicate value"),
	Entry("a money limit's model that cannot be", limit(func(l *v1alpha1.MoneyLimit) { l.Models = []v1alpha1.ModelName{"gpt 4o"} }),
		"spec.limits[0].models[0]", "must be a model name"),
	Entry("a parent without a name", budget(func(s *v1alpha1.TenantBudgetSpec) { s.ParentRef = &v1alpha1.ParentRef{Namespace: "globex"} }),
		"spec.parentRef.name", "should be at least 1 chars long"),
	Entry("a breaker forced half open", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Breaker = &v1alpha1.Breaker{Forced: "HalfOpen"} }),
		"spec.breaker.forced", "Unsupported value"),
	Entry("enforcement of the third kind", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Enforcement = "Audit" }),
		"spec.enforcement", "Unsupported value"),
	Entry("a store that is lost in a third way", budget(func(s *v1alpha1.TenantBudgetSpec) { s.OnStoreLoss = "AllowAll" }),
		"spec.onStoreLoss", "Unsupported value"),
	Entry("a share that nothing is admitted from", budget(func(s *v1alpha1.TenantBudgetSpec) { s.StoreLossPercent = ptr.To[int32](5) }),
		"spec.storeLossPercent", "needs onStoreLoss: AllowBounded"),
	Entry("a share of everything", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.OnStoreLoss, s.StoreLossPercent = v1alpha1.StoreLossAllowBounded, ptr.To[int32](100)
	}), "spec.storeLossPercent", "should be less than or equal to 50"),
	Entry("calls assumed to say nothing", budget(func(s *v1alpha1.TenantBudgetSpec) { s.AssumedOutputTokens = ptr.To[int64](0) }),
		"spec.assumedOutputTokens", "should be greater than or equal to 1"),
	Entry("a limit per nobody", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Limits[0].Per = "Team" }),
		"spec.limits[0].per", "Unsupported value"),
	Entry("a time zone with blanks", budget(func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "Buenos Aires" }),
		"spec.timeZone", "must be the IANA name of a time zone"),
	Entry("the time zone of whatever machine this is", budget(func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "Local" }),
		"spec.timeZone", "must be the IANA name of a time zone"),
	Entry("two rungs at one percentage", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Ladder = []v1alpha1.Rung{{AtPercent: 80, Action: "Warn"}, {AtPercent: 80, Action: "Trip"}}
	}), "spec.ladder", "must not have two rungs at the same atPercent"),
	Entry("two rungs that trip", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Ladder = []v1alpha1.Rung{{AtPercent: 80, Action: "Trip"}, {AtPercent: 90, Action: "Trip"}}
	}), "spec.ladder", "must have at most one rung with action Trip"),
	Entry("a rung at nothing", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = []v1alpha1.Rung{{AtPercent: 0, Action: "Warn"}} }),
		"spec.ladder[0].atPercent", "should be greater than or equal to 1"),
	Entry("a rung above the limit", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = []v1alpha1.Rung{{AtPercent: 101, Action: "Warn"}} }),
		"spec.ladder[0].atPercent", "should be less than or equal to 100"),
	Entry("a rung that does nothing known", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = []v1alpha1.Rung{{AtPercent: 80, Action: "Panic"}} }),
		"spec.ladder[0].action", "Unsupported value"),
	Entry("a downgrade to nothing", ladder(v1alpha1.Rung{AtPercent: 85, Action: "Downgrade"}),
		"spec.ladder[0]", "must have models with action Downgrade, and with no other"),
	Entry("a warning with models", ladder(v1alpha1.Rung{AtPercent: 80, Action: "Warn", Models: cheaper}),
		"spec.ladder[0]", "must have models with action Downgrade, and with no other"),
	Entry("a fallback that nobody knows", trip(func(r *v1alpha1.Rung) { r.Fallback = []v1alpha1.Fallback{"Prayer"} }),
		"spec.ladder[0].fallback[0]", "Unsupported value"),
	Entry("a fallback twice", trip(func(r *v1alpha1.Rung) { r.Fallback = []v1alpha1.Fallback{"Cache", "Cache"} }),
		"spec.ladder[0].fallback[1]", "Duplicate value"),
	Entry("a warning with a fallback", trip(func(r *v1alpha1.Rung) { r.Action, r.Fallback = "Warn", []v1alpha1.Fallback{"Cache"} }),
		"spec.ladder[0]", "must have fallback with action Trip alone"),
	Entry("a message that is not said", trip(func(r *v1alpha1.Rung) { r.Fallback = []v1alpha1.Fallback{"Message"} }),
		"spec.ladder[0]", "must have message with Message in fallback"),
	Entry("a message that is never given", trip(func(r *v1alpha1.Rung) { r.Message = "The budget is used up." }),
		"spec.ladder[0]", "must have message with Message in fallback"),
	Entry("a message that is too long", trip(func(r *v1alpha1.Rung) {
		r.Fallback, r.Message = []v1alpha1.Fallback{"Message"}, strings.Repeat("x", 2049)
	}), "spec.ladder[0].message", "may not be more than 2048"),
	Entry("something after the message", trip(func(r *v1alpha1.Rung) {
		r.Fallback, r.Message = []v1alpha1.Fallback{"Message", "Cache"}, "The budget is used up."
	}), "spec.ladder[0]", "must have Message last in fallback"),
	Entry("a cache that is not used", trip(func(r *v1alpha1.Rung) { r.Cache = &v1alpha1.CacheFallback{MaxAge: "1h"} }),
		"spec.ladder[0]", "must have cache with Cache in fallback alone"),
	Entry("a choice of models that is not used", trip(func(r *v1alpha1.Rung) { r.CheapestModel = &v1alpha1.CheapestModelFallback{} }),
		"spec.ladder[0]", "must have cheapestModel with CheapestModel in fallback alone"),
	Entry("answers of no age", cached("0s"), "spec.ladder[0].cache.maxAge", "between 1s and 24h"),
	Entry("answers that are too old", cached("24h1s"), "spec.ladder[0].cache.maxAge", "between 1s and 24h"),
	Entry("answers of an age without a unit", cached("60"), "spec.ladder[0].cache.maxAge", "such as \"1h\""),
	Entry("answers of an age that is not whole seconds", cached("1500ms"), "spec.ladder[0].cache.maxAge", "whole seconds"),
	Entry("two rungs that downgrade", ladder(
		v1alpha1.Rung{AtPercent: 70, Action: "Downgrade", Models: cheaper}, v1alpha1.Rung{AtPercent: 80, Action: "Downgrade", Models: cheaper}),
		"spec.ladder", "must have at most one rung with action Downgrade"),
	Entry("a downgrade after the emergency stop", ladder(
		v1alpha1.Rung{AtPercent: 90, Action: "Trip"}, v1alpha1.Rung{AtPercent: 95, Action: "Downgrade", Models: cheaper}),
		"spec.ladder", "below the one with action Trip"),
	Entry("a model replaced by itself", ladder(v1alpha1.Rung{AtPercent: 80, Action: "Downgrade", Models: []v1alpha1.Replacement{{From: "gpt-4o", To: "gpt-4o"}}}),
		"spec.ladder[0].models[0]", "must not replace a model by itself"),
	Entry("a model replaced twice", ladder(v1alpha1.Rung{AtPercent: 80, Action: "Downgrade", Models: []v1alpha1.Replacement{
		{From: "gpt-4o", To: "gpt-4o-mini"}, {From: "gpt-4o", To: "o1"}}}),
		"spec.ladder[0].models[1]", "Duplicate value"),
	Entry("a model replaced by one that cannot be", ladder(v1alpha1.Rung{AtPercent: 80, Action: "Downgrade", Models: []v1alpha1.Replacement{
		{From: "gpt-4o", To: "a cheap one"}}}),
		"spec.ladder[0].models[0].to", "must be a model name"),

	// RateLimitPolicy
	Entry("a policy for something else", policy(func(s *v1alpha1.RateLimitPolicySpec) { s.TargetRef.Kind = "Gateway" }),
		"spec.targetRef.kind", "Unsupported value"),
	Entry("a policy for nothing", policy(func(s *v1alpha1.RateLimitPolicySpec) { s.TargetRef.Name = "" }),
		"spec.targetRef.name", "should be at least 1 chars long"),
	Entry("a rate limit of nothing", rate(func(r *v1alpha1.RateLimit) { r.Requests = nil }),
		"spec.limits[0]", "must set exactly one of requests, tokens and concurrent"),
	Entry("a rate limit of two things", rate(func(r *v1alpha1.RateLimit) { r.Tokens = ptr.To[int64](1) }),
		"spec.limits[0]", "must set exactly one of requests, tokens and concurrent"),
	Entry("a rate limit of calls in flight and of requests", rate(func(r *v1alpha1.RateLimit) { r.Concurrent = ptr.To[int64](1) }),
		"spec.limits[0]", "must set exactly one of requests, tokens and concurrent"),
	Entry("requests in no time", rate(func(r *v1alpha1.RateLimit) { r.Window = "" }),
		"spec.limits[0]", "must set window with requests or tokens"),
	Entry("calls in flight in a time", concurrent(func(r *v1alpha1.RateLimit) { r.Window = "1m" }),
		"spec.limits[0]", "must set window with requests or tokens, and not with concurrent"),
	Entry("a burst of calls in flight", concurrent(func(r *v1alpha1.RateLimit) { r.Burst = ptr.To[int64](2) }),
		"spec.limits[0]", "must not set burst with concurrent"),
	Entry("no calls in flight at all", concurrent(func(r *v1alpha1.RateLimit) { r.Concurrent = ptr.To[int64](0) }),
		"spec.limits[0].concurrent", "should be greater than or equal to 1"),
	Entry("a rate limit's model that cannot be", rate(func(r *v1alpha1.RateLimit) { r.Models = []v1alpha1.ModelName{"gpt,4o"} }),
		"spec.limits[0].models[0]", "must be a model name"),
	Entry("tiers of a whole tenant", rate(func(r *v1alpha1.RateLimit) { r.Per = v1alpha1.ScopeTenant }),
		"spec.limits[0]", "tiers needs per: User"),
	Entry("a tier with capitals", rate(func(r *v1alpha1.RateLimit) { r.Tiers = []v1alpha1.Tier{"Gerente"} }),
		"spec.limits[0].tiers[0]", "must be lower-case letters, digits and hyphens"),
	Entry("a tier twice", rate(func(r *v1alpha1.RateLimit) { r.Tiers = []v1alpha1.Tier{"gerente", "gerente"} }),
		"spec.limits[0].tiers[1]", "Duplicate value"),
	Entry("no requests at all", rate(func(r *v1alpha1.RateLimit) { r.Requests = ptr.To[int64](0) }),
		"spec.limits[0].requests", "should be greater than or equal to 1"),
	Entry("too many requests", rate(func(r *v1alpha1.RateLimit) { r.Requests = ptr.To[int64](1_000_001) }),
		"spec.limits[0].requests", "should be less than or equal to 1000000"),
	Entry("too many tokens", rate(func(r *v1alpha1.RateLimit) { r.Requests, r.Tokens = nil, ptr.To[int64](100_000_001) }),
		"spec.limits[0].tokens", "should be less than or equal to 100000000"),
	Entry("a bucket that holds nothing", rate(func(r *v1alpha1.RateLimit) { r.Burst = ptr.To[int64](0) }),
		"spec.limits[0].burst", "should be greater than or equal to 1"),
	Entry("a window without a unit", rate(func(r *v1alpha1.RateLimit) { r.Window = "60" }),
		"spec.limits[0].window", "must be a duration between 1s and 24h"),
	Entry("a window that is too short", rate(func(r *v1alpha1.RateLimit) { r.Window = "999ms" }),
		"spec.limits[0].window", "must be a duration between 1s and 24h"),
	Entry("a window that is too long", rate(func(r *v1alpha1.RateLimit) { r.Window = "24h1s" }),
		"spec.limits[0].window", "must be a duration between 1s and 24h"),
	Entry("a window into the past", rate(func(r *v1alpha1.RateLimit) { r.Window = "-1m" }),
		"spec.limits[0].window", "must be a duration between 1s and 24h"),

	// ModelProvider
	Entry("a protocol nobody here speaks", provider(func(s *v1alpha1.ModelProviderSpec) { s.Protocol = "Gopher" }),
		"spec.protocol", "Unsupported value"),
	Entry("an endpoint without a scheme", provider(func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "api.openai.com" }),
		"spec.endpoint", "must be an http or https URL"),
	Entry("an endpoint that is a file", provider(func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "file:///etc/passwd" }),
		"spec.endpoint", "must be an http or https URL"),
	Entry("an endpoint with a password", provider(func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "https://me:secret@host/v1" }),
		"spec.endpoint", "must be an http or https URL"),
	Entry("an endpoint with a query", provider(func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "https://host/v1?key=1" }),
		"spec.endpoint", "must be an http or https URL"),
	Entry("a credential in another directory", provider(func(s *v1alpha1.ModelProviderSpec) { s.CredentialFile = "../openai" }),
		"spec.credentialFile", "must be the name of a file"),
	Entry("no models", provider(func(s *v1alpha1.ModelProviderSpec) { s.Models = []v1alpha1.Model{} }),
		"spec.models", "should have at least 1 items"),
	Entry("a model twice", provider(func(s *v1alpha1.ModelProviderSpec) { s.Models = append(s.Models, s.Models[0]) }),
		"spec.models[1]", "Duplicate value"),
	Entry("a model's name with blanks", model(func(m *v1alpha1.Model) { m.Name = "gpt 4o" }),
		"spec.models[0].name", "must be a model name"),
	Entry("output without a bound", model(func(m *v1alpha1.Model) { m.MaxOutputTokens = 0 }),
		"spec.models[0].maxOutputTokens", "must stand together with prices.output"),
	Entry("output without a price", model(func(m *v1alpha1.Model) { m.Prices.Output = "" }),
		"spec.models[0].maxOutputTokens", "must stand together with prices.output"),
	Entry("output without a price from a moment on", change(func(c *v1alpha1.PriceChange) { c.Prices.Output = "" }),
		"spec.models[0].priceChanges", "must have a price for output where prices has one"),
	Entry("a context window of nothing", model(func(m *v1alpha1.Model) { m.ContextWindow = -1 }),
		"spec.models[0].contextWindow", "should be greater than or equal to 1"),
	Entry("a tokenizer nobody here has", model(func(m *v1alpha1.Model) { m.Tokenizer = "p50k_base" }),
		"spec.models[0].tokenizer", "Unsupported value"),
	Entry("a tokenizer of another maker's models", provider(func(s *v1alpha1.ModelProviderSpec) {
		s.Protocol, s.Models[0].Tokenizer = "Anthropic", "o200k_base"
	}), "spec.models", "tokenizer is for models of the protocols OpenAI and AzureOpenAI"),
	Entry("a price below zero", model(func(m *v1alpha1.Model) { m.Prices.Input = "-1" }),
		"spec.models[0].prices.input", "a decimal number that is not negative"),
	Entry("a price that is no number", model(func(m *v1alpha1.Model) { m.Prices.Output = "free" }),
		"spec.models[0].prices.output", "must be US dollars per million tokens"),
	Entry("a price finer than a nano-dollar", model(func(m *v1alpha1.Model) { m.Prices.Output = "0.0000000001" }),
		"spec.models[0].prices.output", "at most 9 digits after the point"),
	Entry("a price that is too large", model(func(m *v1alpha1.Model) { m.Prices.Output = "9000001" }),
		"spec.models[0].prices.output", "not above 9000000"),
	Entry("no price of input", model(func(m *v1alpha1.Model) { m.Prices.Input = "" }),
		"spec.models[0].prices.input", "should be at least 1 chars long"),

	Entry("cached input dearer than input", model(func(m *v1alpha1.Model) { m.Prices.CachedInput = "2.51" }),
		"spec.models[0].prices", "cachedInput must not be dearer than input"),
	Entry("cached sound dearer than sound", model(func(m *v1alpha1.Model) { m.Prices.AudioInput, m.Prices.CachedAudioInput = "1", "1.1" }),
		"spec.models[0].prices", "cachedAudioInput must not be dearer than audioInput"),
	Entry("cached sound and no sound", model(func(m *v1alpha1.Model) { m.Prices.CachedAudioInput = "1" }),
		"spec.models[0].prices", "nor stand without it"),
	Entry("five minutes dearer than an hour", model(func(m *v1alpha1.Model) { m.Prices.CacheWrite5m, m.Prices.CacheWrite1h = "6", "5" }),
		"spec.models[0].prices", "cacheWrite5m must not be dearer than cacheWrite1h"),
	Entry("pictures from a model without output", model(func(m *v1alpha1.Model) {
		m.MaxOutputTokens, m.Prices.Output, m.Prices.ImageOutput = 0, "", "30"
	}), "spec.models[0].prices", "must not stand without output"),
	Entry("cached input dearer than input when it is long", long(func(l *v1alpha1.LongContextPrices) { l.CachedInput = "5.01" }),
		"spec.models[0].prices.longContext[0]", "cachedInput must not be dearer than input"),
	Entry("input that is always long", long(func(l *v1alpha1.LongContextPrices) { l.AboveInputTokens = 0 }),
		"spec.models[0].prices.longContext[0].aboveInputTokens", "should be greater than or equal to 1"),
	Entry("two prices of the same long input", model(func(m *v1alpha1.Model) { m.Prices.LongContext = append(longContext(), longContext()...) }),
		"spec.models[0].prices.longContext[1]", "Duplicate value"),
	Entry("cached input dearer than input in a service tier", serviceTier(func(t *v1alpha1.ServiceTierPrices) { t.CachedInput = "1.26" }),
		"spec.models[0].prices.serviceTiers[0]", "cachedInput must not be dearer than input"),
	Entry("a service tier with a name of two lines", serviceTier(func(t *v1alpha1.ServiceTierPrices) { t.Name = "flex\n" }),
		"spec.models[0].prices.serviceTiers[0].name", "must be the name of a service tier"),
	Entry("the default service tier beside itself", serviceTier(func(t *v1alpha1.ServiceTierPrices) { t.Name = "default" }),
		"spec.models[0].prices.serviceTiers[0].name", "the prices of the default tier stand in prices itself"),
	Entry("cached input dearer than input from a moment on", change(func(c *v1alpha1.PriceChange) { c.Prices.CachedInput = "3" }),
		"spec.models[0].priceChanges[0].prices", "cachedInput must not be dearer than input"),
	Entry("two changes at the same moment", model(func(m *v1alpha1.Model) { m.PriceChanges = append(changes(), changes()...) }),
		"spec.models[0].priceChanges[1]", "Duplicate value"),

	// APIKey
	Entry("a key instead of its hash", key(func(s *v1alpha1.APIKeySpec) { s.SHA256 = "sk-secret" }),
		"spec.sha256", "must be the SHA-256 of the key"),
	Entry("a hash in capitals", key(func(s *v1alpha1.APIKeySpec) { s.SHA256 = strings.ToUpper(hash) }),
		"spec.sha256", "must be the SHA-256 of the key"),
	Entry("a hash that is too long", key(func(s *v1alpha1.APIKeySpec) { s.SHA256 = hash + "0" }),
		"spec.sha256", "may not be more than 64"),
	Entry("a key that nobody pays for", key(func(s *v1alpha1.APIKeySpec) { s.BudgetRef.Name = "" }),
		"spec.budgetRef.name", "should be at least 1 chars long"),
	Entry("a key of nobody", key(func(s *v1alpha1.APIKeySpec) { s.User = "" }),
		"spec.user", "should be at least 1 chars long"),
	Entry("a user with a colon, which would lead out of their own counters", key(func(s *v1alpha1.APIKeySpec) { s.User = "gerente-1:2" }),
		"spec.user", "must be letters, digits and"),
	Entry("a user of a tier with blanks", key(func(s *v1alpha1.APIKeySpec) { s.Tier = "gran jefe" }),
		"spec.tier", "must be lower-case letters, digits and hyphens"),
)

var _ = DescribeTable("takes",
	func(ctx SpecContext, object client.Object) {
		Expect(api.Create(ctx, object, client.DryRunAll)).To(Succeed())
	},
	Entry("a budget of one limit", budget(asIs)),
	Entry("an amount of nothing", amount("0")),
	Entry("an amount of a nano-dollar", amount("0.000000001")),
	Entry("the largest amount", amount("9000000.000000000")),
	Entry("every period", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Limits = nil
		for _, period := range []string{"Minute", "Hour", "Day", "Week", "Month", "Quarter", "Year"} {
			s.Limits = append(s.Limits, v1alpha1.MoneyLimit{Name: strings.ToLower(period), Period: period, Amount: "1"})
		}
	})),
	Entry("the shortest window as a period", period("1s")),
	Entry("the longest window as a period", period("23h59m60s")),
	Entry("two limits of one period, for different tiers", twoLimits(func(a, b *v1alpha1.MoneyLimit) {
		a.Tiers, b.Tiers = []v1alpha1.Tier{"gerente"}, []v1alpha1.Tier{"empleado"}
	})),
	Entry("two limits of one period, for one model and for all", twoLimits(func(a, b *v1alpha1.MoneyLimit) {
		a.Models = []v1alpha1.ModelName{"gpt-4o"}
	})),
	Entry("two limits of one period, per tenant and per user", twoLimits(func(a, b *v1alpha1.MoneyLimit) { b.Per = v1alpha1.ScopeUser })),
	Entry("as many limits of as many tiers and models as there may be", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Limits = nil
		for i := range 16 {
			l := v1alpha1.MoneyLimit{Name: "limit-" + string(rune('a'+i)), Period: "24h", Amount: "1"}
			for j := range 16 {
				l.Tiers = append(l.Tiers, v1alpha1.Tier(strings.Repeat(string(rune('a'+j)), 47+i)))
				l.Models = append(l.Models, v1alpha1.ModelName(strings.Repeat(string(rune('a'+j)), 112+i)))
			}
			s.Limits = append(s.Limits, l)
		}
	})),
	Entry("a budget with a parent", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.ParentRef = &v1alpha1.ParentRef{Name: "company", Namespace: "globex"}
	})),
	Entry("a ladder that warns, downgrades and trips", ladder(
		v1alpha1.Rung{AtPercent: 90, Action: "Trip"}, v1alpha1.Rung{AtPercent: 85, Action: "Downgrade", Models: cheaper},
		v1alpha1.Rung{AtPercent: 80, Action: "Warn"})),
	Entry("a Trip rung with all fallbacks", trip(func(r *v1alpha1.Rung) {
		r.Fallback, r.Message = []v1alpha1.Fallback{"Cache", "CheapestModel", "Message"}, strings.Repeat("¡", 2048)
		r.Cache = &v1alpha1.CacheFallback{MaxAge: "23h59m60s"}
		r.CheapestModel = &v1alpha1.CheapestModelFallback{Models: []v1alpha1.ModelName{"gpt-4o-mini", "local"}}
	})),
	Entry("a Trip rung with a fallback and nothing said of it", trip(func(r *v1alpha1.Rung) {
		r.Fallback = []v1alpha1.Fallback{"CheapestModel", "Cache"}
	})),
	Entry("a ladder that only downgrades", ladder(v1alpha1.Rung{AtPercent: 100, Action: "Downgrade", Models: cheaper})),
	Entry("a breaker forced open, in shadow", budget(func(s *v1alpha1.TenantBudgetSpec) {
		s.Breaker, s.Enforcement = &v1alpha1.Breaker{Forced: "Open"}, "Shadow"
		s.AssumedOutputTokens = ptr.To[int64](1)
	})),
	Entry("a breaker left to itself", budget(func(s *v1alpha1.TenantBudgetSpec) { s.Breaker = &v1alpha1.Breaker{} })),
	Entry("calls in flight", concurrent(asIs)),
	Entry("calls in flight of a tenant, by model", concurrent(func(r *v1alpha1.RateLimit) {
		r.Tiers, r.Per, r.Models = nil, v1alpha1.ScopeTenant, []v1alpha1.ModelName{"gpt-4o"}
	})),
	Entry("a zone with a sign", budget(func(s *v1alpha1.TenantBudgetSpec) { s.TimeZone = "Etc/GMT+3" })),
	Entry("a policy", policy(asIs)),
	Entry("the shortest window", rate(func(r *v1alpha1.RateLimit) { r.Window = "1s" })),
	Entry("the longest window", rate(func(r *v1alpha1.RateLimit) { r.Window = "23h60m" })),
	Entry("tokens of a tenant", rate(func(r *v1alpha1.RateLimit) {
		r.Tiers, r.Per, r.Requests, r.Tokens, r.Burst = nil, v1alpha1.ScopeTenant, nil, ptr.To[int64](100_000_000), ptr.To[int64](1)
	})),
	Entry("a virtual model", virtual("gpt-4o", "gpt-4o-mini")),
	Entry("a provider", provider(asIs)),
	Entry("a provider on this machine", provider(func(s *v1alpha1.ModelProviderSpec) { s.Endpoint = "http://127.0.0.1:8000/v1" })),
	Entry("a model that costs nothing", model(func(m *v1alpha1.Model) {
		m.Prices = v1alpha1.Prices{PriceList: v1alpha1.PriceList{Input: "0", Output: "0"}}
	})),
	Entry("a model for embeddings", model(func(m *v1alpha1.Model) { m.MaxOutputTokens, m.Prices.Output = 0, "" })),
	Entry("a tokenizer", model(func(m *v1alpha1.Model) { m.Tokenizer = "o200k_base" })),
	Entry("a tokenizer at Azure", provider(func(s *v1alpha1.ModelProviderSpec) {
		s.Protocol, s.Models[0].Tokenizer = "AzureOpenAI", "cl100k_base"
	})),
	Entry("a price of every kind", model(func(m *v1alpha1.Model) {
		m.ContextWindow = 1_048_576
		m.Prices.PriceList = v1alpha1.PriceList{
			Input: "1", CachedInput: "1", CacheWrite5m: "1.25", CacheWrite1h: "2", AudioInput: "3", CachedAudioInput: "3",
			Output: "4", AudioOutput: "9000000", ImageOutput: "0.000000001",
		}
	})),
	Entry("prices of long input", long(asIs)),
	Entry("prices of a service tier", serviceTier(asIs)),
	Entry("prices of long input in a service tier", serviceTier(func(t *v1alpha1.ServiceTierPrices) { t.LongContext = longContext() })),
	Entry("prices from a moment on", change(asIs)),
	Entry("the other protocols", provider(func(s *v1alpha1.ModelProviderSpec) { s.Protocol = "Anthropic" })),
	Entry("as many models as there may be", provider(func(s *v1alpha1.ModelProviderSpec) {
		one := s.Models[0]
		one.Prices.CachedInput, one.Tokenizer = "1.25", "o200k_base"
		s.Models = nil
		for i := range 512 {
			one.Name = "model-" + strings.Repeat("x", i%64) + string(rune('a'+i%26)) + "-" + time.Duration(i).String()
			s.Models = append(s.Models, one)
		}
	})),
	Entry("a key", key(asIs)),
)

var _ = Describe("takes", func() {
	It("every provider of the catalogue, and keeps every field of it", func(ctx SpecContext) {
		files, err := filepath.Glob("../../config/providers/[^k]*.yaml")
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(HaveLen(3))
		for _, file := range files {
			raw, err := os.ReadFile(file)
			Expect(err).NotTo(HaveOccurred())
			provider := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal(raw, &provider.Object)).To(Succeed(), file)
			Expect(provider.GetKind()).To(Equal("ModelProvider"), file)
			Expect(api.Create(ctx, provider, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed(), file)
		}
	})
})

var _ = Describe("fills in", func() {
	It("what a budget leaves out", func(ctx SpecContext) {
		b := budget(asIs).(*v1alpha1.TenantBudget)
		Expect(api.Create(ctx, b, client.DryRunAll)).To(Succeed())
		Expect(b.Spec.TimeZone).To(Equal("UTC"))
		Expect(b.Spec.Limits[0].Per).To(Equal(v1alpha1.ScopeTenant))
		Expect(b.Spec.Enforcement).To(Equal(v1alpha1.EnforcementEnforce))
		Expect(b.Spec.Ladder).To(Equal([]v1alpha1.Rung{{AtPercent: 80, Action: "Warn"}, {AtPercent: 90, Action: "Trip"}}))
	})

	It("how old answers of a fallback may be", func(ctx SpecContext) {
		b := trip(func(r *v1alpha1.Rung) {
			r.Fallback, r.Cache = []v1alpha1.Fallback{"Cache"}, &v1alpha1.CacheFallback{}
		}).(*v1alpha1.TenantBudget)
		Expect(api.Create(ctx, b, client.DryRunAll)).To(Succeed())
		Expect(b.Spec.Ladder[0].Cache.MaxAge).To(Equal("1h"))
	})

	It("no rungs where the ladder is empty", func(ctx SpecContext) {
		b := budget(func(s *v1alpha1.TenantBudgetSpec) { s.Ladder = []v1alpha1.Rung{} }).(*v1alpha1.TenantBudget)
		Expect(api.Create(ctx, b, client.DryRunAll)).To(Succeed())
		Expect(b.Spec.Ladder).To(BeEmpty())
	})

	It("the kind of a policy's target", func(ctx SpecContext) {
		p := policy(asIs).(*v1alpha1.RateLimitPolicy)
		Expect(api.Create(ctx, p, client.DryRunAll)).To(Succeed())
		Expect(p.Spec.TargetRef.Kind).To(Equal("TenantBudget"))
	})

	It("the protocol of a provider", func(ctx SpecContext) {
		p := provider(asIs).(*v1alpha1.ModelProvider)
		Expect(api.Create(ctx, p, client.DryRunAll)).To(Succeed())
		Expect(p.Spec.Protocol).To(Equal("OpenAI"))
	})
})

var _ = Describe("does not let change", func() {
	create := func(ctx context.Context, object client.Object) {
		GinkgoHelper()
		Expect(api.Create(ctx, object)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(api.Delete(ctx, object)).To(Succeed()) })
	}

	It("the tenant of a budget", func(ctx SpecContext) {
		b := budget(asIs).(*v1alpha1.TenantBudget)
		create(ctx, b)
		changed := b.DeepCopy()
		changed.Spec.Tenant = "globex"
		expectRefusal(api.Update(ctx, changed), "spec.tenant", "cannot be changed")
	})

	DescribeTable("the parent of a budget",
		func(ctx SpecContext, was, is *v1alpha1.ParentRef) {
			b := budget(func(s *v1alpha1.TenantBudgetSpec) { s.ParentRef = was }).(*v1alpha1.TenantBudget)
			create(ctx, b)
			changed := b.DeepCopy()
			changed.Spec.ParentRef = is
			expectRefusal(api.Update(ctx, changed), "spec.parentRef", "cannot be changed")
			b.Spec.Limits[0].Amount = "7.00"
			Expect(api.Update(ctx, b)).To(Succeed(), "all else can be changed")
		},
		Entry("to another", &v1alpha1.ParentRef{Name: "a"}, &v1alpha1.ParentRef{Name: "b"}),
		Entry("to one of another namespace", &v1alpha1.ParentRef{Name: "a"}, &v1alpha1.ParentRef{Name: "a", Namespace: "globex"}),
		Entry("from none", nil, &v1alpha1.ParentRef{Name: "a"}),
		Entry("to none", &v1alpha1.ParentRef{Name: "a"}, nil),
	)

	It("the hash of a key", func(ctx SpecContext) {
		k := key(asIs).(*v1alpha1.APIKey)
		create(ctx, k)
		changed := k.DeepCopy()
		changed.Spec.SHA256 = strings.Repeat("f", 64)
		expectRefusal(api.Update(ctx, changed), "spec.sha256", "cannot be changed")
	})
})
