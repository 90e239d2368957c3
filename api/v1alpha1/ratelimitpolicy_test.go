package v1alpha1_test

import (
	"fmt"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/v1alpha1"
)

func policy(change func(*v1alpha1.RateLimitPolicySpec)) client.Object {
	p := &v1alpha1.RateLimitPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "it"},
		Spec: v1alpha1.RateLimitPolicySpec{
			TargetRef: &v1alpha1.TargetRef{Name: "acme"},
			Limits: []v1alpha1.RateLimit{{
				Name: "gerente", Tiers: []v1alpha1.Tier{"gerente"}, Per: v1alpha1.ScopeUser, Requests: ptr.To[int64](20), Window: "1m",
			}},
		},
	}
	change(&p.Spec)
	return p
}

func selecting(change func(*v1alpha1.TargetSelector)) client.Object {
	return policy(func(s *v1alpha1.RateLimitPolicySpec) {
		s.TargetRef, s.TargetSelector = nil, &v1alpha1.TargetSelector{MatchLabels: map[string]string{"plan": "free"}}
		change(s.TargetSelector)
	})
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

var _ = DescribeTable("of a RateLimitPolicy, refuses", refused,
	Entry("a policy for something else", policy(func(s *v1alpha1.RateLimitPolicySpec) { s.TargetRef.Kind = "Gateway" }),
		"spec.targetRef.kind", "Unsupported value"),
	Entry("a policy for nothing", policy(func(s *v1alpha1.RateLimitPolicySpec) { s.TargetRef.Name = "" }),
		"spec.targetRef.name", "should be at least 1 chars long"),
	Entry("a policy without a target", policy(func(s *v1alpha1.RateLimitPolicySpec) { s.TargetRef = nil }),
		"spec", "must set exactly one of targetRef, for one TenantBudget, and targetSelector, for many"),
	Entry("a policy that names and selects", policy(func(s *v1alpha1.RateLimitPolicySpec) { s.TargetSelector = &v1alpha1.TargetSelector{} }),
		"spec", "must set exactly one of targetRef, for one TenantBudget, and targetSelector, for many"),
	Entry("a selector of something else", selecting(func(s *v1alpha1.TargetSelector) { s.Kind = "Gateway" }),
		"spec.targetSelector.kind", "Unsupported value"),
	Entry("a selector with too many labels", selecting(func(s *v1alpha1.TargetSelector) {
		s.MatchLabels = v1alpha1.MatchLabels{}
		for i := range 33 {
			s.MatchLabels[fmt.Sprint("label-", i)] = ""
		}
	}), "spec.targetSelector.matchLabels", "must have at most 32 items"),
	Entry("a selector with too long a key", selecting(func(s *v1alpha1.TargetSelector) {
		s.MatchLabels = v1alpha1.MatchLabels{strings.Repeat("k", 318): ""}
	}), "spec.targetSelector.matchLabels", "must have keys of at most 317 characters"),
	Entry("a selector with too long a value", selecting(func(s *v1alpha1.TargetSelector) {
		s.MatchLabels = v1alpha1.MatchLabels{"plan": strings.Repeat("v", 64)}
	}), "spec.targetSelector.matchLabels", "and values of at most 63"),
	Entry("a selector of namespaces with too long a value", selecting(func(s *v1alpha1.TargetSelector) {
		s.Namespaces = v1alpha1.Namespaces{From: "Selector", Selector: &v1alpha1.LabelSelector{MatchLabels: v1alpha1.MatchLabels{"plan": strings.Repeat("v", 64)}}}
	}), "spec.targetSelector.namespaces.selector.matchLabels", "and values of at most 63"),
	Entry("a selector with too many expressions", selecting(func(s *v1alpha1.TargetSelector) {
		s.MatchExpressions = make(v1alpha1.MatchExpressions, 33)
	}), "spec.targetSelector.matchExpressions", "must have at most 32 items"),
	Entry("an expression with too many values", selecting(func(s *v1alpha1.TargetSelector) {
		s.MatchExpressions = v1alpha1.MatchExpressions{{Key: "plan", Operator: "In", Values: make([]string, 33)}}
	}), "spec.targetSelector.matchExpressions[0].values", "must have at most 32 items"),
	Entry("an expression with too long a value", selecting(func(s *v1alpha1.TargetSelector) {
		s.MatchExpressions = v1alpha1.MatchExpressions{{Key: "plan", Operator: "In", Values: []string{strings.Repeat("v", 1<<20)}}}
	}), "spec.targetSelector.matchExpressions[0].values[0]", "may not be more than 63"),
	Entry("targets from somewhere", selecting(func(s *v1alpha1.TargetSelector) { s.Namespaces.From = "Here" }),
		"spec.targetSelector.namespaces.from", "Unsupported value"),
	Entry("targets from selected namespaces without a selector", selecting(func(s *v1alpha1.TargetSelector) { s.Namespaces.From = "Selector" }),
		"spec.targetSelector.namespaces", "must set selector with from: Selector, and only then"),
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
		"spec.limits[0]", "tiers requires per: User, Group or Key"),
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
)

var _ = DescribeTable("of a RateLimitPolicy, takes", taken,
	Entry("calls in flight", concurrent(asIs)),
	Entry("calls in flight of a tenant, by model", concurrent(func(r *v1alpha1.RateLimit) {
		r.Tiers, r.Per, r.Models = nil, v1alpha1.ScopeTenant, []v1alpha1.ModelName{"gpt-4o"}
	})),
	Entry("a policy", policy(asIs)),
	Entry("a limit of each group, for some tiers", rate(func(r *v1alpha1.RateLimit) {
		r.Per, r.Groups, r.Labels = v1alpha1.ScopeGroup, groups(16), labels(8)
	})),
	Entry("a limit of each key", rate(func(r *v1alpha1.RateLimit) { r.Per = v1alpha1.ScopeKey })),
	Entry("a policy for many", selecting(asIs)),
	Entry("a policy for all in some namespaces", selecting(func(s *v1alpha1.TargetSelector) {
		s.MatchLabels, s.Namespaces = nil, v1alpha1.Namespaces{From: "Selector", Selector: &v1alpha1.LabelSelector{}}
	})),
	Entry("the shortest window", rate(func(r *v1alpha1.RateLimit) { r.Window = "1s" })),
	Entry("the longest window", rate(func(r *v1alpha1.RateLimit) { r.Window = "23h60m" })),
	Entry("tokens of a tenant", rate(func(r *v1alpha1.RateLimit) {
		r.Tiers, r.Per, r.Requests, r.Tokens, r.Burst = nil, v1alpha1.ScopeTenant, nil, ptr.To[int64](100_000_000), ptr.To[int64](1)
	})),
)
