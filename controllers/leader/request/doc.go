// Package request raises alerts about what users ask for beyond their limits, and about what
// admins decide, for as long as the manager leads. spec.alerts of the TenantBudget says who is
// told of them.
//
// It reads what the console has written, and decides nothing. Which admin has decided must only be
// shown to admins: such alerts name no user, so that row-level security hides them from everybody
// else.
package request
