// Package change finds what is surely not meant in how a TenantBudget is changed: what it limits
// less than before, what it refuses from now on, and what it promises to children that it does not
// have. It is pure: what is spent is given to it.
package change
