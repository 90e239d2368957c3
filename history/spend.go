package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/api/money"
)

// Dimension is what spending is grouped by.
type Dimension string

// The dimensions.
const (
	ByTenant   Dimension = "tenant"
	ByUser     Dimension = "user"
	ByTier     Dimension = "tier"
	ByKey      Dimension = "key"
	ByProvider Dimension = "provider"
	ByModel    Dimension = "model"
	// ByProviderModel is the model as the provider names it, and so as invoices do.
	ByProviderModel Dimension = "provider-model"
	ByEndpoint      Dimension = "endpoint"
	ByDay           Dimension = "day"
	ByMonth         Dimension = "month"
)

// expressions are the dimensions in SQL, over the view spend. Tenants are grouped by their
// paths: a tenant that has had several parents has several.
var expressions = map[Dimension]string{
	ByTenant: "path", ByUser: "user_id", ByTier: "tier", ByKey: "api_key", ByProvider: "provider", ByModel: "model",
	ByProviderModel: "provider_model", ByEndpoint: "endpoint",
	ByDay:   "to_char(admitted_at AT TIME ZONE @zone, 'YYYY-MM-DD')",
	ByMonth: "to_char(admitted_at AT TIME ZONE @zone, 'YYYY-MM')",
}

// Dimensions are all dimensions, in the order in which they are told.
func Dimensions() []Dimension {
	return []Dimension{ByTenant, ByUser, ByTier, ByKey, ByProvider, ByModel, ByProviderModel, ByEndpoint, ByDay, ByMonth}
}

// SpendQuery says which spending is added up, and how.
type SpendQuery struct {
	// From and To bound when calls were admitted: from From on and before To.
	From, To time.Time
	// Zone has the calendar of ByDay and ByMonth.
	Zone *time.Location
	By   []Dimension
}

// Spend is what calls cost, together, that have the same values of all dimensions.
type Spend struct {
	// Values are those of the dimensions, in their order. The value of ByTenant is a path: the
	// tenant below its parents, as they were when the calls were made: "company/emea".
	Values                           []string
	Calls, InputTokens, OutputTokens int64
	Cost                             money.Nanos
	// Estimated is the part of Cost that is not what the provider reported.
	Estimated money.Nanos
}

// Key is the same for calls that have the same values.
func (s Spend) Key() string { return strings.Join(s.Values, "\x00") }

// Add adds what other calls cost.
func (s *Spend) Add(other Spend) {
	s.Calls += other.Calls
	s.InputTokens += other.InputTokens
	s.OutputTokens += other.OutputTokens
	s.Cost += other.Cost
	s.Estimated += other.Estimated
}

// Spend adds up what calls of tenants cost, ordered by the values.
func (r *Reader) Spend(ctx context.Context, query SpendQuery, tenants ...string) ([]Spend, error) {
	sums := map[string]Spend{}
	for _, tenant := range tenants {
		var found []Spend
		err := r.forTenant(ctx, tenant, func(tx pgx.Tx) (err error) {
			found, err = spend(ctx, tx, query, tenant)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("add up what tenant %s spent: %w", tenant, err)
		}
		for _, s := range found {
			sum := sums[s.Key()]
			sum.Values = s.Values
			sum.Add(s)
			sums[s.Key()] = sum
		}
	}
	all := make([]Spend, 0, len(sums))
	for _, sum := range sums {
		all = append(all, sum)
	}
	SortSpend(all, query.By)
	return all, nil
}

// ErrNotFinance means that the login may not read all tenants.
var ErrNotFinance = errors.New("the login may not read all tenants: it must be a member of bursar_finance (GRANT bursar_finance TO it)")

// SpendOfAll adds up what calls of all tenants cost. It fails with ErrNotFinance unless the
// login is a member of bursar_finance.
func (r *Reader) SpendOfAll(ctx context.Context, query SpendQuery) (found []Spend, err error) {
	err = r.forAll(ctx, func(tx pgx.Tx) (err error) {
		found, err = spend(ctx, tx, query, "")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("add up what all tenants spent: %w", err)
	}
	SortSpend(found, query.By)
	return found, nil
}

// forAll lets a function read the views over all tenants. It fails with ErrNotFinance unless
// the login is a member of bursar_finance.
func (r *Reader) forAll(ctx context.Context, read func(pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, r.db, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		var isFinance bool
		if err := tx.QueryRow(ctx, "SELECT pg_has_role('bursar_finance', 'USAGE')").Scan(&isFinance); err != nil {
			return err
		}
		if !isFinance {
			return ErrNotFinance
		}
		return read(tx)
	})
	return explained(err)
}

// Currency is the currency that the limits of a tenant are written in.
type Currency struct {
	Code string
	// Rate is the declared rate, and AsOf its date; zero if there is none.
	Rate money.Rate
	AsOf time.Time
}

const currencies = `
SELECT tenant_id, currency, (usd_per_unit * 1000000000)::bigint, coalesce(rate_as_of, '0001-01-01')
FROM tenant_currencies WHERE currency <> 'USD'`

// CurrenciesOfAll are the currencies of the tenants whose limits are not written in US dollars,
// as last declared. It fails with ErrNotFinance unless the login is a member of bursar_finance.
func (r *Reader) CurrenciesOfAll(ctx context.Context) (map[string]Currency, error) {
	found := map[string]Currency{}
	if err := r.forAll(ctx, func(tx pgx.Tx) error { return readCurrencies(ctx, tx, found) }); err != nil {
		return nil, fmt.Errorf("read the currencies of tenants: %w", err)
	}
	return found, nil
}

// Currencies are the currencies of the tenants.
func (r *Reader) Currencies(ctx context.Context, tenants ...string) (map[string]Currency, error) {
	found := map[string]Currency{}
	for _, tenant := range tenants {
		if err := r.forTenant(ctx, tenant, func(tx pgx.Tx) error { return readCurrencies(ctx, tx, found) }); err != nil {
			return nil, fmt.Errorf("read the currency of tenant %s: %w", tenant, err)
		}
	}
	return found, nil
}

func readCurrencies(ctx context.Context, tx pgx.Tx, found map[string]Currency) error {
	rows, err := tx.Query(ctx, currencies)
	if err != nil {
		return err
	}
	var tenant string
	var c Currency
	_, err = pgx.ForEachRow(rows, []any{&tenant, &c.Code, &c.Rate, &c.AsOf}, func() error {
		found[tenant] = c
		return nil
	})
	return err
}

// SortSpend orders by the values, and puts children below their parents.
func SortSpend(all []Spend, by []Dimension) {
	tenant := slices.Index(by, ByTenant)
	slices.SortFunc(all, func(a, b Spend) int {
		for i := range by {
			order := cmp.Compare(a.Values[i], b.Values[i])
			if i == tenant {
				order = slices.Compare(strings.Split(a.Values[i], "/"), strings.Split(b.Values[i], "/"))
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
}

// spend adds up what calls of a tenant cost, or of all tenants if none is named.
func spend(ctx context.Context, tx pgx.Tx, query SpendQuery, tenant string) ([]Spend, error) {
	values := make([]string, len(query.By))
	for i, dimension := range query.By {
		values[i] = expressions[dimension]
	}
	condition := ""
	if tenant != "" {
		condition = "AND tenant_id = @tenant"
	}
	statement := `
SELECT ARRAY[` + strings.Join(values, ", ") + `]::text[] AS by, count(*), sum(input_tokens)::bigint, sum(output_tokens)::bigint,
       sum(cost_nanos)::bigint, coalesce(sum(cost_nanos) FILTER (WHERE estimated), 0)::bigint
FROM spend
WHERE admitted_at >= @from AND admitted_at < @to ` + condition + `
GROUP BY 1`
	zone := cmp.Or(query.Zone, time.UTC)
	rows, err := tx.Query(ctx, statement, pgx.NamedArgs{"from": query.From, "to": query.To, "zone": zone.String(), "tenant": tenant})
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s Spend, err error) {
		err = row.Scan(&s.Values, &s.Calls, &s.InputTokens, &s.OutputTokens, &s.Cost, &s.Estimated)
		return s, err
	})
}
