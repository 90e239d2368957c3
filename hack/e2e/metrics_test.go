package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// clusterIssuer is an issuer whose keys are fetched, so that there is something to measure.
const clusterIssuer = `
apiVersion: bursar.dev/v1alpha1
kind: IdentityProvider
metadata: {name: measured}
spec:
  issuer: {cluster: true, audiences: [bursar]}
  claimMappings: {user: {claim: sub}}
`

// TestMetrics: what the manager and the enforcers measure is what docs/metrics.md says,
// is named by Prometheus' conventions, and has no label but those.
func TestMetrics(t *testing.T) {
	newTenant(t, "measured", "0.01")
	for range 2 { // admitted, and refused
		penny(t, "measured")
	}
	if err := bursar.Apply(t.Context(), clusterIssuer); err != nil {
		t.Fatal(err)
	}
	programmed(t)
	docs, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	wanted := rowsIn(string(docs), "| `bursar_")
	urls := []string{bursar.Enforcers[0].MetricsURL}
	for _, manager := range bursar.Managers {
		if leads(t.Context(), manager) {
			urls = append(urls, manager.MetricsURL)
		}
	}
	var seen []string
	for _, url := range urls {
		raw := scrapeRaw(t.Context(), t, url)
		lint(t, raw)
		families, err := parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(families)) {
			if strings.HasPrefix(name, "bursar_") {
				seen = append(seen, row(families[name]))
			}
		}
	}
	for _, row := range seen {
		if !slices.Contains(wanted, row) {
			t.Errorf("docs/metrics.md lacks\n%s", row)
		}
	}
	for _, row := range wanted {
		if !slices.Contains(seen, row) {
			t.Errorf("docs/metrics.md has what there is not:\n%s", row)
		}
	}
}

func rowsIn(docs, prefix string) (rows []string) {
	for line := range strings.Lines(docs) {
		if strings.HasPrefix(line, prefix) {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	return rows
}

// row is a metric as docs/metrics.md has it.
func row(family *dto.MetricFamily) string {
	labels := map[string]bool{}
	for _, metric := range family.Metric {
		for _, label := range metric.Label {
			labels["`"+label.GetName()+"`"] = true
		}
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s |", family.GetName(), strings.ToLower(family.GetType().String()),
		strings.Join(slices.Sorted(maps.Keys(labels)), ", "), family.GetHelp())
}

// lint looks for names that are not as Prometheus wants them.
func lint(t *testing.T, raw []byte) {
	t.Helper()
	problems, err := promlint.New(bytes.NewReader(raw)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		if strings.HasPrefix(problem.Metric, "bursar_") { // others are not ours to name
			t.Errorf("%s: %s", problem.Metric, problem.Text)
		}
	}
}

// scrape reads the metrics at a URL.
func scrape(ctx context.Context, url string) (map[string]*dto.MetricFamily, error) {
	raw, err := get(ctx, url)
	if err != nil {
		return nil, err
	}
	return parse(raw)
}

func scrapeRaw(ctx context.Context, t *testing.T, url string) []byte {
	t.Helper()
	raw, err := get(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func parse(raw []byte) (map[string]*dto.MetricFamily, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(bytes.NewReader(raw))
}

func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return io.ReadAll(response.Body)
}
