// Package request has people told of what users ask for beyond their limits, and of what admins
// decide, for as long as the manager leads: each is an alert, which spec.alerts of the
// TenantBudget says who is told of.
//
// It reads what the console has written, and decides nothing. Whatever it says of who decided must
// only reach admins: such alerts name no user, so that row-level security shows them to no other.
package request
