package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bursar-dev/bursar/api/money"
	"github.com/bursar-dev/bursar/api/v1alpha1"
	"github.com/bursar-dev/bursar/controllers/leader/audit"
	"github.com/bursar-dev/bursar/controllers/rollout/events"
	"github.com/bursar-dev/bursar/controllers/stores/budgetstore"
	"github.com/bursar-dev/bursar/controllers/stores/limiterstore"
	"github.com/bursar-dev/bursar/hack/parts/eventlog"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// rest waits until nothing is under way, and checks all that is promised then.
func (s *soak) rest() {
	s.Helper()
	s.books.close()
	testkit.Within(s.T, restsWithin, "all is Programmed", func() bool { return awaitProgrammed(s.Context()) == nil })
	testkit.Must(s.T, s.apply(s.Context(), boundedYAML(minuteCents, false))) // so that shares are given up
	s.agree("the ledger is the bill", s.books.compare)
	s.agree("no limit is exceeded", s.books.exceeded)
	s.agree("nothing is held, and the status is the ledger", s.statuses)
	s.agree("the counters are the ledger", s.audits)
	s.agree("the metrics tell of nothing", s.metrics)
	s.drift()
	testkit.Must(s.T, s.apply(s.Context(), boundedYAML(minuteCents, true)))
	testkit.Within(s.T, restsWithin, "all is Programmed", func() bool { return awaitProgrammed(s.Context()) == nil })
}

// agree waits until nothing is wrong, and reports what is when it does not end.
func (s *soak) agree(what string, wrongs func() ([]string, error)) {
	s.Helper()
	var wrong []string
	var err error
	for until := time.Now().Add(restsWithin); time.Now().Before(until); time.Sleep(200 * time.Millisecond) {
		if wrong, err = wrongs(); err == nil && len(wrong) == 0 {
			return
		}
	}
	const shown = 20
	before := s.holds() // which the next checks may change
	s.Errorf("not so: %s; error %v, %d wrong:\n%s", what, err, len(wrong), strings.Join(wrong[:min(shown, len(wrong))], "\n"))
	s.Logf("then:\n%s", before)
}

// statuses compares each budget's status with the ledger.
func (s *soak) statuses() (wrong []string, err error) {
	for _, tenant := range append(append([]string{}, soakCallers...), soakParents...) {
		budget := &v1alpha1.TenantBudget{}
		if err := s.api.Get(s.Context(), client.ObjectKey{Namespace: "e2e", Name: tenant}, budget); err != nil {
			return nil, err
		}
		var spent money.Nanos
		if err := s.pool.QueryRow(s.Context(), `SELECT coalesce(sum(cost_nanos), 0)::bigint FROM ai_usage_logs
WHERE tenant_id = $1 OR $1 = ANY(ancestors)`, tenant).Scan(&spent); err != nil {
			return nil, err
		}
		for _, limit := range budget.Status.Limits {
			if limit.Held != "" && limit.Held != "0.00" {
				wrong = append(wrong, fmt.Sprintf("%s: $%s is held of limit %s", tenant, limit.Held, limit.Name))
			}
			if limit.Name == "yearly" && string(limit.Spent) != spent.String() {
				wrong = append(wrong, fmt.Sprintf("%s: status %s, ledger %s", tenant, limit.Spent, spent))
			}
		}
		if len(budget.Status.Limits) == 0 {
			wrong = append(wrong, tenant+": no limit in its status")
		}
	}
	return wrong, nil
}

// audits compares all counters with the ledger, as managers do.
func (s *soak) audits() (wrong []string, err error) {
	recorded := &eventlog.Events{}
	auditor := audit.New(limiterstore.NewDocuments(s.redis), limiterstore.NewCounters(s.redis), limiterstore.NewFindings(s.redis),
		budgetstore.NewLedgerReader(s.pool), events.NewRecorder(recorded, nil), 0)
	for _, tenant := range append(append([]string{}, soakCallers...), soakParents...) {
		err = errors.Join(err, auditor.Audit(s.Context(), tenant))
	}
	kept, keptErr := s.redis.HGetAll(s.Context(), "bursar:{config}:audit-findings").Result()
	for tenant, findings := range kept {
		if strings.HasPrefix(tenant, "soak-") {
			wrong = append(wrong, tenant+": "+findings)
		}
	}
	return append(wrong, recorded.Take()...), errors.Join(err, keptErr)
}

// metrics are those that tell of what must not be.
func (s *soak) metrics() (wrong []string, err error) {
	for _, manager := range runningManagers() {
		families, err := scrape(s.Context(), manager.MetricsURL)
		if err != nil {
			return nil, err
		}
		if s.alone { // else there are tenants of other tests
			wrong = append(wrong, nonZero(manager.Name, families, "bursar_manager_audit_tenants_with_drift")...)
		}
	}
	for _, at := range s.slots {
		families, err := scrape(s.Context(), at.serving().MetricsURL)
		if err != nil {
			return nil, err
		}
		wrong = append(wrong, nonZero(fmt.Sprintf("enforcer %d", at.number), families, "bursar_enforcer_broken_counters_total",
			"bursar_enforcer_ledger_lost_total", "bursar_enforcer_ledger_refused_total", "bursar_enforcer_open_calls")...)
	}
	return wrong, nil
}

func nonZero(of string, families map[string]*dto.MetricFamily, names ...string) (wrong []string) {
	for _, name := range names {
		for _, metric := range families[name].GetMetric() {
			if value := metric.GetCounter().GetValue() + metric.GetGauge().GetValue(); value != 0 {
				wrong = append(wrong, fmt.Sprintf("%s: %s is %v", of, name, value))
			}
		}
	}
	return wrong
}

// drift reports each drift that was told of: there must be none.
func (s *soak) drift() {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	told, err := bursar.RunKubectl(ctx, "-n", "e2e", "get", "events", "-o",
		`jsonpath={range .items[?(@.reason=="DriftFound")]}{.metadata.creationTimestamp} {.involvedObject.name}: {.message}{"\n"}{end}`)
	testkit.Must(s.T, err)
	for line := range strings.Lines(told) {
		if strings.Contains(line, "soak-") {
			s.Errorf("drift was told of: %s", strings.TrimSpace(line))
		}
	}
}
