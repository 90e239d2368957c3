package pages

import (
	"iter"
	"net/url"
	"strings"

	"github.com/bursar-dev/bursar/console/api"
)

const (
	// tenantsPath is the page on which a tenant is found among many.
	tenantsPath = "/tenants"
	// mostChoices is among how many tenants one is chosen from a list. Of more, its name is entered, or it is found.
	mostChoices = 100
)

// tenantsPage are the tenants of which whoever asks has pages to see.
type tenantsPage struct {
	Rows []tenantLink
	Find string
	Next string
}

// tenantLink leads to a tenant. Above is the one above it; empty for none that whoever asks sees.
type tenantLink struct{ Name, To, Above string }

// findTenant is the page on which a tenant is found.
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

// eachTenant goes through the tenants of which whoever asks has pages to see, those first to which they belong
// without seeing the budget.
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

// above is the tenant above one; empty for none whose budget whoever asks sees.
func (q *request) above(tenant string) string {
	above := q.tenants.Above(tenant)
	if len(above) == 0 || !q.tenants.Has(above[0]) {
		return ""
	}
	return above[0]
}
