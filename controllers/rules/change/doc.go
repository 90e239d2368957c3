// Package change finds what is surely not meant in a change of a TenantBudget: what it limits less
// than before, what it refuses from now on, and what it promises to children but does not have. It
// is pure: the caller tells it what is spent.
package change
