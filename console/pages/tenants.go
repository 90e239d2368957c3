package pages

import (
	"iter"
	"net/url"
	"strings"

	"github.com/bursar-dev/bursar/console/api"
)

const (
	// tenantsPath is the page that finds a tenant among many.
	tenantsPath = "/tenants"
	// mostChoices is how many tenants a list offers to choose from. With more, the reader enters a name, or
	// finds it.
	mostChoices = 100
)

// tenantsPage is the tenants that the reader has pages of.
type tenantsPage struct {
	Rows []tenantLink
	Find string
	Next string
}

// tenantLink links to a tenant. Above is the tenant above it; empty if the reader does not see that.
type tenantLink struct{ Name, To, Above string }

// findTenant is the page that finds a tenant.
func (p *Pages) findTenant(q *request) (view, error) {
	query := q.URL.Query()
	page := &tenantsPage{Find: strings.TrimSpace(query.Get("find"))}
	matching := func(yield func(string) bool) {
		for tenant := range q.eachTenant() {
			if strings.Contains(tenant, strings.ToLower(page.Find)) && !yield(tenant) {
				return
			}
		}
	}
	found, next, ok := api.Page(matching, query.Get("after"), mostChoices)
	if !ok {
		return view{}, missingPage()
	}
	for _, tenant := range found {
		page.Rows = append(page.Rows, tenantLink{tenant, "/?" + url.Values{"tenant": {tenant}}.Encode(), q.above(tenant)})
	}
	if next != "" {
		page.Next = q.with("after", next)
	}
	return view{template: "tenants", title: q.l.say("Tenants"), body: page}, nil
}

// eachTenant iterates over the tenants that the reader has pages of. Those whose budget the reader does not see
// come first.
func (q *request) eachTenant() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, mine := range q.me.Tenants {
			if !q.tenants.Has(mine.Tenant) && !yield(mine.Tenant) {
				return
			}
		}
		q.tenants.All()(yield)
	}
}

// above is the tenant above one; empty if the reader does not see its budget.
func (q *request) above(tenant string) string {
	above := q.tenants.Above(tenant)
	if len(above) == 0 || !q.tenants.Has(above[0]) {
		return ""
	}
	return above[0]
}
