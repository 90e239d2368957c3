package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/bursar-dev/bursar/api/money"
)

// ledgerTimeout is how long the ledger may take to have the last call.
const ledgerTimeout = 5 * time.Second

// bill is the provider's own account of the calls it answered.
type bill struct {
	TotalNanos int64 `json:"total_nanos"`
	Calls      []struct {
		ID        string `json:"id"`
		CostNanos int64  `json:"cost_nanos"`
	} `json:"calls"`
}

// userSpend is what the ledger says of one user.
type userSpend struct {
	User, Tier string
	Calls      int64
	CostNanos  int64
}

func (d *demo) compareBill(ctx context.Context) error {
	provider, err := d.providerBill(ctx)
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, d.stack.DatabaseURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()

	var costs map[string]int64
	if err := d.waitFor(ctx, ledgerTimeout, fmt.Sprintf("the ledger has %d calls", len(provider.Calls)), func() (bool, error) {
		costs, err = ledgerCosts(ctx, conn)
		return len(costs) >= len(provider.Calls), err
	}); err != nil {
		return err
	}
	total, err := printSpend(ctx, conn)
	if err != nil {
		return err
	}
	fmt.Printf("\n  ledger            %4d calls  $%s\n  provider's bill   %4d calls  $%s\n",
		len(costs), money.Nanos(total), len(provider.Calls), money.Nanos(provider.TotalNanos))
	return compare(costs, total, provider)
}

// compare compares the ledger with the bill, call by call.
func compare(costs map[string]int64, total int64, provider bill) error {
	for _, c := range provider.Calls {
		cost, ok := costs[c.ID]
		if !ok {
			return fmt.Errorf("the provider billed call %s, which is not in the ledger", c.ID)
		}
		if cost != c.CostNanos {
			return fmt.Errorf("call %s cost $%s by the ledger and $%s by the bill", c.ID, money.Nanos(cost), money.Nanos(c.CostNanos))
		}
		delete(costs, c.ID)
	}
	for id, cost := range costs {
		if cost != 0 {
			return fmt.Errorf("the ledger has call %s at $%s, which the provider did not bill", id, money.Nanos(cost))
		}
	}
	if total != provider.TotalNanos {
		return fmt.Errorf("the ledger adds up to $%s and the bill to $%s", money.Nanos(total), money.Nanos(provider.TotalNanos))
	}
	return nil
}

func (d *demo) providerBill(ctx context.Context) (b bill, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.stack.ProviderURL+"/bill", nil)
	if err != nil {
		return b, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return b, err
	}
	defer func() { _ = response.Body.Close() }()
	return b, json.NewDecoder(response.Body).Decode(&b)
}

func ledgerCosts(ctx context.Context, conn *pgx.Conn) (map[string]int64, error) {
	rows, err := conn.Query(ctx, `select call_id, cost_nanos from ai_usage_logs`)
	if err != nil {
		return nil, err
	}
	costs := map[string]int64{}
	var id string
	var cost int64
	_, err = pgx.ForEachRow(rows, []any{&id, &cost}, func() error {
		costs[id] = cost
		return nil
	})
	return costs, err
}

// printSpend prints what each user spent, by the ledger, and returns the sum.
func printSpend(ctx context.Context, conn *pgx.Conn) (total int64, err error) {
	rows, err := conn.Query(ctx, `
		select user_id, tier, count(*), sum(cost_nanos)::bigint
		from ai_usage_logs group by 1, 2 order by 4 desc`)
	if err != nil {
		return 0, err
	}
	users, err := pgx.CollectRows(rows, pgx.RowToStructByPos[userSpend])
	if err != nil {
		return 0, err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 3, ' ', 0)
	_, _ = fmt.Fprintln(table, "  USER\tTIER\tCALLS\tSPENT (USD)")
	for _, u := range users {
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%d\t%s\n", u.User, u.Tier, u.Calls, money.Nanos(u.CostNanos))
		total += u.CostNanos
	}
	return total, table.Flush()
}
