// Package auth finds the callers of the console, and what they may see: their own, a tenant
// that they administer, the sums of the tenants below it, or, as an admin of the platform,
// everything.
//
// It must never give callers more than their credential proves: what a tenant's own
// Memberships say counts in that tenant alone.
package auth
