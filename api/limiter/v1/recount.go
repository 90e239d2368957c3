package limiterv1

import (
	_ "embed" // for the script
	"strings"
)

// RecountLua is a script that has the money counters of tenants counted anew by the
// control plane. Its keys and arguments are those of RecountKeys and RecountNews.
//
//go:embed recount.lua
var RecountLua string

// RecountKeys are the keys of RecountLua, for tenants of the budget tree with the root.
func RecountKeys(root string, tenants []string) []string {
	keys := make([]string, len(tenants))
	for i, tenant := range tenants {
		keys[i] = TenantCountersKey(root, tenant)
	}
	return keys
}

// RecountNews are the arguments of RecountLua: a channel, and what is published on it.
func RecountNews(tenants []string) []any {
	return []any{FeedChannel, FeedTenant + " " + strings.Join(tenants, " ")}
}
