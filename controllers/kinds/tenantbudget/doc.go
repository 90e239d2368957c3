// Package tenantbudget reconciles TenantBudgets: it programs a tenant's document,
// with the RateLimitPolicies that apply to it, into Redis, records its limits in
// Postgres, and reports the rollout and the spending in the status.
//
// It must never take a valid configuration out of force because a newer generation
// is invalid, nor count money itself: it reads counters as the enforcers left them.
package tenantbudget
