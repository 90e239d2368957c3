// Package ratelimitpolicy reconciles RateLimitPolicies: it says in the status
// whether a policy is valid, has a target, and has reached the enforcers.
//
// It must never write a document. A policy is a part of its tenant's document, which
// package tenantbudget puts; this package looks for the policy in it.
package ratelimitpolicy
