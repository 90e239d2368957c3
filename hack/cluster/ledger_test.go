package cluster_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/hack/fakeprovider"
)

// address is the one at which the machine, as pods, reaches a Service.
func address(ctx context.Context, namespace, service string) string {
	return fields(ctx, "{.spec.clusterIP}", "-n", namespace, "service", service)[0]
}

// secret is a value in a Secret of Bursar.
func secret(ctx context.Context, name, key string) string {
	encoded := fields(ctx, fmt.Sprintf("{.data.%s}", key), "-n", system, "secret", name)[0]
	value, err := base64.StdEncoding.DecodeString(encoded)
	Expect(err).NotTo(HaveOccurred())
	return string(value)
}

// recorded is a row of the ledger.
type recorded struct {
	ID, Tenant, User, Outcome string
	Cost                      money.Nanos
}

// ledger is what is on record.
func ledger(ctx context.Context) (rows []recorded, err error) {
	url := fmt.Sprintf("postgres://postgres:%s@%s/bursar?sslmode=disable", secret(ctx, "bursar-embedded", "postgres"), address(ctx, system, "bursar-postgres"))
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = connection.Close(ctx) }()
	found, err := connection.Query(ctx, `SELECT call_id, tenant_id, coalesce(user_id, ''), outcome, cost_nanos FROM ai_usage_logs`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(found, pgx.RowToStructByPos[recorded])
}

// agrees compares the ledger with what the provider wants to be paid: each call is in each once.
// Where a call was cut off, the ledger has at least what it cost. It returns what a tenant spent.
func agrees(rows []recorded, billed []fakeprovider.BilledCall, tenant string) (spent money.Nanos) {
	GinkgoHelper()
	known := map[string]recorded{}
	for _, row := range rows {
		Expect(known).NotTo(HaveKey(row.ID), "a call is in the ledger twice")
		known[row.ID] = row
		if row.Tenant == tenant {
			spent += row.Cost
		}
	}
	paid := map[string]bool{}
	for _, call := range billed {
		row, found := known[call.ID]
		Expect(found).To(BeTrue(), "a call that the provider billed is not in the ledger: "+call.ID)
		Expect(paid[call.ID]).To(BeFalse(), "a call was made twice: "+call.ID)
		paid[call.ID] = true
		if row.Outcome == "Settled" {
			Expect(int64(row.Cost)).To(Equal(call.CostNanos), call.ID)
		} else {
			Expect(int64(row.Cost)).To(BeNumerically(">=", call.CostNanos), call.ID)
		}
	}
	return spent
}

// bill is what the provider wants to be paid; DELETE begins a new one.
func bill(ctx context.Context, method string) (bill fakeprovider.Bill) {
	GinkgoHelper()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+address(ctx, "fakes", "provider")+"/bill", nil)
	Expect(err).NotTo(HaveOccurred())
	eventually(ctx, "the provider answers", func(g Gomega) {
		response, err := http.DefaultClient.Do(request)
		g.Expect(err).NotTo(HaveOccurred())
		defer func() { _ = response.Body.Close() }()
		if method == http.MethodGet {
			g.Expect(json.NewDecoder(response.Body).Decode(&bill)).To(Succeed())
		}
	})
	return bill
}
