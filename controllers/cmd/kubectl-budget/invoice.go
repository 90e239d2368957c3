package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/nearest"
	"github.com/bursar-dev/bursar/history"
)

// invoice is what a provider billed, by its names of the models, or by "" if the invoice does not tell models
// apart.
type invoice map[string]*big.Rat

// invoices are those of several providers, by the names of their ModelProviders.
type invoices struct {
	of map[string]invoice
	// all is the sum of all amounts, with refunds counted as charges.
	all *big.Rat
}

// mostBilled is what fits into money.Nanos, however amounts are added up.
var mostBilled = big.NewRat(9_000_000_000, 1)

// billed is an amount on an invoice. Providers bill fractions of a nano-dollar, and refund amounts.
var billed = regexp.MustCompile(`^-?[0-9]{1,9}([.][0-9]{1,30})?$`)

func (i invoices) add(provider, model, amount string) error {
	amount = strings.TrimPrefix(strings.TrimSpace(amount), "$")
	if !billed.MatchString(amount) {
		return fmt.Errorf("amount %q: must be a decimal number of US dollars without symbols and separators, such as 1234.56", amount)
	}
	sum, _ := new(big.Rat).SetString(amount)
	if provider = strings.TrimSpace(provider); provider == "" {
		return errors.New("a row has no provider: it must be the name of a ModelProvider")
	}
	of := i.of[provider]
	if of == nil {
		of = invoice{}
		i.of[provider] = of
	}
	if i.all.Add(i.all, new(big.Rat).Abs(sum)).Cmp(mostBilled) > 0 {
		return errors.New("the amounts are too large together: at most 9000000000 US dollars")
	}
	model = strings.TrimSpace(model)
	if before := of[model]; before != nil {
		sum.Add(sum, before)
	}
	of[model] = sum
	if of[""] != nil && len(of) > 1 {
		return fmt.Errorf("provider %s has rows with a model and rows without: give either its total, or an amount for each model", provider)
	}
	return nil
}

// readInvoices reads PROVIDER=AMOUNT and files.
func readInvoices(from []string) (invoices, error) {
	all := invoices{of: map[string]invoice{}, all: new(big.Rat)}
	for _, text := range from {
		provider, amount, isTotal := strings.Cut(text, "=")
		var err error
		if isTotal {
			err = all.add(provider, "", amount)
		} else {
			err = all.read(text)
		}
		if err != nil {
			return invoices{}, usageError{fmt.Errorf("--invoice %s: %w", text, err)}
		}
	}
	return all, nil
}

// read reads a CSV file.
func (i invoices) read(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	rows := csv.NewReader(f)
	header, err := rows.Read()
	if err != nil {
		return fmt.Errorf("read its header: %w", err)
	}
	column := func(name string) int {
		return slices.IndexFunc(header, func(h string) bool {
			return strings.EqualFold(strings.TrimSpace(strings.TrimPrefix(h, "\ufeff")), name)
		})
	}
	provider, model, amount := column("provider"), column("model"), column("amount")
	if provider < 0 || amount < 0 {
		return fmt.Errorf("its header is %q: the columns provider and amount are required, and model is optional", strings.Join(header, ","))
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := ""
		if model >= 0 {
			name = row[model]
		}
		if err := i.add(row[provider], name, row[amount]); err != nil {
			line, _ := rows.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// invoiceReport is what providers billed beside what the ledger has.
type invoiceReport struct {
	From     time.Time    `json:"from"`
	To       time.Time    `json:"to"`
	TimeZone string       `json:"timeZone"`
	Rows     []invoiceRow `json:"rows"`
	Total    invoiceRow   `json:"total"`
	// NoCalls are the providers that an invoice names and the ledger has no calls of.
	NoCalls []string `json:"noCalls,omitempty"`
	// NoInvoice are the providers that the ledger has and no invoice names, with their cost.
	NoInvoice map[string]string `json:"noInvoice,omitempty"`
}

// invoiceRow is the cost of a model of a provider, or of all.
type invoiceRow struct {
	Provider string `json:"provider,omitempty"`
	Model    string `json:"model,omitempty"`
	Calls    int64  `json:"calls"`
	Ledger   string `json:"ledgerUSD"`
	Invoice  string `json:"invoiceUSD"`
	// Difference is Invoice less Ledger: more than zero if the provider billed more.
	Difference string `json:"differenceUSD"`
	// Estimated is the part of Ledger that is not what the provider reported, which may explain a difference.
	Estimated string `json:"estimatedUSD"`
}

// compareInvoices reads what the ledger has of the providers, and compares.
func compareInvoices(ctx context.Context, reader *history.Reader, query history.SpendQuery, billed invoices) (printable, error) {
	query.By = []history.Dimension{history.ByProvider, history.ByModel, history.ByProviderModel}
	spent, err := reader.SpendOfAll(ctx, query)
	if err != nil {
		return nil, err
	}
	r := &invoiceReport{From: query.From, To: query.To, TimeZone: query.Zone.String(), Rows: []invoiceRow{}, NoInvoice: map[string]string{}}
	r.compare(spent, billed.of)
	return r, nil
}

// compare fills the report.
func (r *invoiceReport) compare(spent []history.Spend, billed map[string]invoice) {
	byProvider := map[string]map[string]history.Spend{}
	unbilled := map[string]money.Nanos{}
	for _, s := range spent {
		provider := s.Values[0]
		if billed[provider] == nil {
			unbilled[provider] += s.Cost
			continue
		}
		if byProvider[provider] == nil {
			byProvider[provider] = map[string]history.Spend{}
		}
		model := billed[provider].nameOf(s.Values[1], s.Values[2])
		sum := byProvider[provider][model]
		sum.Add(s)
		byProvider[provider][model] = sum
	}
	for provider, cost := range unbilled {
		r.NoInvoice[provider] = cost.String()
	}
	var total history.Spend
	sum := new(big.Rat)
	for _, provider := range slices.Sorted(maps.Keys(billed)) {
		if byProvider[provider] == nil {
			r.NoCalls = append(r.NoCalls, provider)
		}
		models := slices.Concat(slices.Collect(maps.Keys(billed[provider])), slices.Collect(maps.Keys(byProvider[provider])))
		slices.Sort(models)
		for _, model := range slices.Compact(models) {
			has := byProvider[provider][model]
			bill := cmp.Or(billed[provider][model], new(big.Rat))
			total.Add(has)
			sum.Add(sum, bill)
			row := newInvoiceRow(has, bill)
			row.Provider, row.Model = provider, model
			r.Rows = append(r.Rows, row)
		}
	}
	r.Total = newInvoiceRow(total, sum)
}

// nameOf is the name that an invoice has for a model, given its ModelProvider's name and the provider's.
func (i invoice) nameOf(model, providers string) string {
	if i[""] != nil {
		return ""
	}
	if i[providers] == nil && i[model] != nil {
		return model
	}
	return providers
}

// newInvoiceRow compares what the ledger has with what was billed, which it rounds to the nano-dollar.
func newInvoiceRow(has history.Spend, billed *big.Rat) invoiceRow {
	nanos := new(big.Rat).Mul(billed, big.NewRat(int64(money.USD), 1))
	rounded, _ := new(big.Int).SetString(nanos.FloatString(0), 10)
	bill := money.Nanos(rounded.Int64())
	return invoiceRow{
		Calls: has.Calls, Ledger: has.Cost.String(), Invoice: bill.String(), Difference: (bill - has.Cost).String(), Estimated: has.Estimated.String(),
	}
}

var invoiceColumns = []string{"provider", "model", "calls", "ledger_usd", "invoice_usd", "difference_usd", "estimated_usd"}

func (r invoiceRow) cells() []string {
	return []string{r.Provider, r.Model, fmt.Sprint(r.Calls), r.Ledger, r.Invoice, r.Difference, r.Estimated}
}

func (r *invoiceReport) print(w io.Writer, format string) error {
	total := r.Total
	total.Provider = "TOTAL"
	switch format {
	case formatJSON:
		return writeObject(w, format, r)
	case formatCSV:
		rows := [][]string{invoiceColumns}
		for _, row := range append(slices.Clone(r.Rows), total) {
			rows = append(rows, row.cells())
		}
		return csv.NewWriter(w).WriteAll(rows)
	}
	fmt.Fprintf(w, "Calls from %s to %s; in US dollars\n\n", inZone(r.From, r.TimeZone), inZone(r.To, r.TimeZone))
	all := table{cells("PROVIDER", "MODEL", "CALLS", "LEDGER", "INVOICE", "DIFFERENCE", "ESTIMATED")}
	for _, row := range append(slices.Clone(r.Rows), total) {
		row.Model = orDash(row.Model)
		shown := cells(row.cells()...)
		if row.Difference != "0.00" {
			shown[5].color = yellow
		}
		all = append(all, shown)
	}
	all.write(w)
	providers := slices.Sorted(maps.Keys(r.NoInvoice))
	for _, provider := range r.NoCalls {
		fmt.Fprintf(w, "\nThe ledger has no calls of a ModelProvider %s in this time%s\n", provider, cmp.Or(nearest.DidYouMean(provider, providers), "."))
	}
	for _, provider := range providers {
		fmt.Fprintf(w, "\nNo invoice is given for %s, which cost %s.\n", provider, r.NoInvoice[provider])
	}
	return nil
}
