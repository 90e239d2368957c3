package promcheck_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/hack/tools/promcheck"
)

const root = "../../../"

func documented(t *testing.T) promcheck.Metrics {
	t.Helper()
	docs, err := os.ReadFile(root + "docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	return promcheck.Documented(string(docs))
}

func TestCheck(t *testing.T) {
	metrics := promcheck.Documented("| `bursar_x_total` | counter | `by`, `who` | Words. |\n| `bursar_y_seconds` | histogram |  | Words. |\n")
	for query, want := range map[string]string{
		`sum by (who) (rate(bursar_x_total{by="me"}[5m])) > 0`:                     "",
		`histogram_quantile(0.9, sum by (le) (rate(bursar_y_seconds_bucket[5m])))`: "",
		`sum by (pod) (bursar_y_seconds_count)`:                                    "",
		`sum(rate(bursar_x_total[5m])`:                                             "parse error",
		`bursar_z_total`:                                                           `no metric "bursar_z_total"`,
		`bursar_y_seconds`:                                                         `no metric "bursar_y_seconds"`,
		`bursar_x_total{whom="me"}`:                                                "label whom",
		`sum by (whom) (bursar_x_total)`:                                           "label whom",
		`nonsense(bursar_x_total)`:                                                 "unknown function",
		`rate(bursar_x_total)`:                                                     "expected type range vector",
	} {
		err := metrics.Check(query)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got error %v, want one about %q", query, err, want)
		}
	}
}

// TestAlerts: every alert can be evaluated, and says what it means and what to do.
func TestAlerts(t *testing.T) {
	raw, err := os.ReadFile(root + "config/prometheus/rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var rules struct {
		Spec struct {
			Groups []struct {
				Name  string `json:"name"`
				Rules []struct {
					Alert       string            `json:"alert"`
					Expr        string            `json:"expr"`
					For         string            `json:"for"`
					Labels      map[string]string `json:"labels"`
					Annotations map[string]string `json:"annotations"`
				} `json:"rules"`
			} `json:"groups"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(raw, &rules); err != nil {
		t.Fatal(err)
	}
	metrics, names := documented(t), map[string]bool{}
	for _, group := range rules.Spec.Groups {
		for _, rule := range group.Rules {
			if err := metrics.Check(rule.Expr); err != nil {
				t.Errorf("%s: %v", rule.Alert, err)
			}
			severity := rule.Labels["severity"]
			if severity != "critical" && severity != "warning" && severity != "info" {
				t.Errorf("%s: severity is %q", rule.Alert, severity)
			}
			if !strings.HasPrefix(rule.Alert, "Bursar") || names[rule.Alert] {
				t.Errorf("%s: the name is there twice, or does not begin with Bursar", rule.Alert)
			}
			if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("%s: it says not what it means, or not what to do", rule.Alert)
			}
			names[rule.Alert] = true
		}
	}
	if len(names) == 0 {
		t.Error("there are no alerts")
	}
}

// panel is a panel of a dashboard, or a row of them.
type panel struct {
	Title   string  `json:"title"`
	Type    string  `json:"type"`
	Panels  []panel `json:"panels"`
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
}

// TestDashboard: every query of the dashboard can be evaluated.
func TestDashboard(t *testing.T) {
	raw, err := os.ReadFile(root + "config/grafana/bursar.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard panel
	if err := json.Unmarshal(raw, &dashboard); err != nil {
		t.Fatal(err)
	}
	metrics, queries := documented(t), 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries++
			// Grafana puts the interval in.
			if err := metrics.Check(strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")); err != nil {
				t.Errorf("%s: %v", panel.Title, err)
			}
		}
		if panel.Type != "row" && len(panel.Targets) == 0 {
			t.Errorf("%s: shows nothing", panel.Title)
		}
	}
	if queries == 0 {
		t.Error("there are no queries")
	}
}
