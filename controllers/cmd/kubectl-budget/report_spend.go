package main

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/history"
)

// spendReport is what calls have cost.
type spendReport struct {
	// From and To bound when the calls were admitted: from From on and before To.
	From     time.Time  `json:"from"`
	To       time.Time  `json:"to"`
	TimeZone string     `json:"timeZone"`
	By       []string   `json:"by"`
	Rows     []spendRow `json:"rows"`
	// Total is the sum of the rows.
	Total spendRow `json:"total"`
	// Rates are those at which costs are shown in other currencies.
	Rates []declaredRate `json:"rates,omitempty"`
	// Unknown is what cannot be known.
	Unknown []string `json:"unknown,omitempty"`
}

// spendRow is what calls with the same values have cost.
type spendRow struct {
	// Values are the values of the dimensions. A tenant's has its path beside it: its parents and
	// itself.
	Values       map[string]string `json:"values,omitempty"`
	Calls        int64             `json:"calls"`
	InputTokens  int64             `json:"inputTokens"`
	OutputTokens int64             `json:"outputTokens"`
	Cost         string            `json:"costUSD"`
	// Estimated is the part of Cost that is not what the provider reported.
	Estimated string `json:"estimatedUSD"`
	// WithChildren is the cost of the tenant and of those below it; only by tenant.
	WithChildren string `json:"withChildrenUSD,omitempty"`
	// InCurrency is Cost in the currency that the tenant's limits are written in, with its code,
	// rounded up; only by tenant.
	InCurrency string `json:"costInCurrency,omitempty"`
	Currency   string `json:"currency,omitempty"`
}

// declaredRate is a rate at which costs are shown in another currency.
type declaredRate struct {
	Tenant     string `json:"tenant"`
	Currency   string `json:"currency"`
	USDPerUnit string `json:"usdPerUnit"`
	AsOf       string `json:"asOf"`
}

// path is the name under which a row has the path of its tenant.
const path = "path"

// newSpendReport makes a report of what was spent by tenants, or by all if none are named.
func newSpendReport(query history.SpendQuery, spent []history.Spend, tenants []string, currencies map[string]history.Currency) *spendReport {
	r := &spendReport{From: query.From, To: query.To, TimeZone: query.Zone.String(), Rows: []spendRow{}}
	for _, d := range query.By {
		r.By = append(r.By, string(d))
	}
	tenant := slices.Index(query.By, history.ByTenant)
	var together map[string]money.Nanos
	if tenant >= 0 {
		spent, together = withChildren(spent, tenant, tenants)
		history.SortSpend(spent, query.By)
	}
	var total history.Spend
	for _, s := range spent {
		total.Add(s)
		row := newSpendRow(s)
		row.Values = map[string]string{}
		for i, value := range s.Values {
			if i == tenant {
				row.Values[path] = value
				value = value[strings.LastIndex(value, "/")+1:]
			}
			row.Values[r.By[i]] = value
		}
		if tenant >= 0 {
			row.WithChildren = together[s.Key()].String()
			r.show(&row, s.Cost, currencies)
		}
		r.Rows = append(r.Rows, row)
	}
	r.Total = newSpendRow(total)
	return r
}

// show adds to a row what it costs in the currency of its tenant, if that has one.
func (r *spendReport) show(row *spendRow, cost money.Nanos, currencies map[string]history.Currency) {
	tenant := row.Values[string(history.ByTenant)]
	currency, declared := currencies[tenant]
	if !declared {
		return
	}
	row.InCurrency, row.Currency = currency.Rate.FromUSD(cost), currency.Code
	rate := declaredRate{Tenant: tenant, Currency: currency.Code, USDPerUnit: currency.Rate.String(), AsOf: currency.AsOf.Format(time.DateOnly)}
	if !slices.Contains(r.Rates, rate) {
		r.Rates = append(r.Rates, rate)
	}
}

func newSpendRow(s history.Spend) spendRow {
	return spendRow{
		Calls: s.Calls, InputTokens: s.InputTokens, OutputTokens: s.OutputTokens,
		Cost: s.Cost.String(), Estimated: s.Estimated.String(),
	}
}

// withChildren adds up what tenants and those below them spent together, by the values of the
// other dimensions. It adds rows for parents that spent nothing themselves, if they are among
// the tenants, or if none are named.
func withChildren(spent []history.Spend, tenant int, tenants []string) (all []history.Spend, together map[string]money.Nanos) {
	together = map[string]money.Nanos{}
	all = slices.Clone(spent)
	isRow := map[string]bool{}
	for _, s := range spent {
		isRow[s.Key()] = true
	}
	for _, s := range spent {
		way := strings.Split(s.Values[tenant], "/")
		for depth := range way {
			level := history.Spend{Values: slices.Clone(s.Values)}
			level.Values[tenant] = strings.Join(way[:depth+1], "/")
			key := level.Key()
			together[key] += s.Cost
			if !isRow[key] && (tenants == nil || slices.Contains(tenants, way[depth])) {
				isRow[key] = true
				all = append(all, level)
			}
		}
	}
	return all, together
}

func (r *spendReport) print(w io.Writer, format string) error {
	switch format {
	case formatJSON:
		return writeObject(w, format, r)
	case formatCSV:
		return r.csv(w)
	}
	fmt.Fprintf(w, "Calls from %s to %s\n\n", inZone(r.From, r.TimeZone), inZone(r.To, r.TimeZone))
	r.table().write(w)
	for _, rate := range r.Rates {
		fmt.Fprintf(w, "\nTenant %s: 1 %s is %s USD, as declared for %s.", rate.Tenant, rate.Currency, rate.USDPerUnit, rate.AsOf)
	}
	if len(r.Rates) > 0 {
		fmt.Fprintln(w)
	}
	if len(r.Rows) == 0 {
		fmt.Fprintln(w, "\nThe ledger has no such calls. It has calls once they have ended.")
	}
	writeUnknown(w, r.Unknown)
	return nil
}

func inZone(t time.Time, zone string) string {
	return t.Format("2006-01-02 15:04") + " " + zone
}

// table is the report as a table, in which children are indented below their parents.
func (r *spendReport) table() table {
	byTenant := slices.Contains(r.By, string(history.ByTenant))
	var header []string
	for _, by := range r.By {
		header = append(header, strings.ToUpper(by))
	}
	header = append(header, "CALLS", "INPUT TOKENS", "OUTPUT TOKENS", "COST (USD)", "ESTIMATED")
	if byTenant {
		header = append(header, "WITH CHILDREN")
	}
	if len(r.Rates) > 0 {
		header = append(header, "IN CURRENCY")
	}
	all := table{cells(header...)}
	least := r.leastDepth()
	for _, row := range r.Rows {
		var values []string
		for _, by := range r.By {
			value := orDash(row.Values[by])
			if by == string(history.ByTenant) {
				value = strings.Repeat("  ", strings.Count(row.Values[path], "/")-least) + value
			}
			values = append(values, value)
		}
		values = append(values, row.figures()...)
		if byTenant {
			values = append(values, row.WithChildren)
		}
		if len(r.Rates) > 0 {
			values = append(values, strings.TrimSpace(row.InCurrency+" "+row.Currency))
		}
		all = append(all, cells(values...))
	}
	last := make([]string, len(r.By))
	last[0] = "TOTAL"
	total := cells(append(last, r.Total.figures()...)...)
	for i := range total {
		total[i].color = bold
	}
	return append(all, total)
}

// leastDepth is how many parents the highest tenant of the report has.
func (r *spendReport) leastDepth() int {
	least := -1
	for _, row := range r.Rows {
		if depth := strings.Count(row.Values[path], "/"); least < 0 || depth < least {
			least = depth
		}
	}
	return least
}

func (r spendRow) figures() []string {
	return []string{fmt.Sprint(r.Calls), fmt.Sprint(r.InputTokens), fmt.Sprint(r.OutputTokens), r.Cost, r.Estimated}
}

// csv writes the report as RFC 4180 has it, with a header and the total as the last row.
func (r *spendReport) csv(w io.Writer) error {
	byTenant := slices.Contains(r.By, string(history.ByTenant))
	var columns []string
	for _, by := range r.By {
		columns = append(columns, strings.ReplaceAll(by, "-", "_"))
		if by == string(history.ByTenant) {
			columns = append(columns, path)
		}
	}
	header := append(slices.Clone(columns), "calls", "input_tokens", "output_tokens", "cost_usd", "estimated_usd")
	if byTenant {
		header = append(header, "with_children_usd")
	}
	if len(r.Rates) > 0 {
		header = append(header, "cost_in_currency", "currency")
	}
	rows := [][]string{header}
	for _, row := range r.Rows {
		var values []string
		for _, column := range columns {
			values = append(values, row.Values[strings.ReplaceAll(column, "_", "-")])
		}
		values = append(values, row.figures()...)
		if byTenant {
			values = append(values, row.WithChildren)
		}
		if len(r.Rates) > 0 {
			values = append(values, row.InCurrency, row.Currency)
		}
		rows = append(rows, values)
	}
	last := make([]string, len(columns))
	last[0] = "TOTAL"
	last = append(last, r.Total.figures()...)
	if byTenant {
		last = append(last, "")
	}
	if len(r.Rates) > 0 {
		last = append(last, "", "")
	}
	return csv.NewWriter(w).WriteAll(append(rows, last))
}
