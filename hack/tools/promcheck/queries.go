package promcheck

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Metrics are the labels of each metric, by its name.
type Metrics map[string][]string

// targetLabels are the labels that Prometheus adds to every series that it scrapes.
var targetLabels = []string{"namespace", "pod", "instance", "job"}

// foreign are the metrics of libraries in Bursar's programs, as far as alerts and
// dashboards use them.
var foreign = Metrics{
	"leader_election_master_status":             {"name"},
	"controller_runtime_reconcile_errors_total": {"controller"},
	"controller_runtime_reconcile_total":        {"controller", "result"},
	"workqueue_depth":                           {"name", "controller", "priority"},
	"process_resident_memory_bytes":             {},
	"process_cpu_seconds_total":                 {},
}

// documentedRow is a row of the tables in docs/metrics.md: name, type and labels.
var documentedRow = regexp.MustCompile("(?m)^\\| `(bursar_[a-z_]+)` \\| ([a-z]+) \\| ([^|]*) \\|")

// Documented are the metrics of docs/metrics.md, and the foreign ones.
func Documented(docs string) Metrics {
	metrics := Metrics{}
	for name, labels := range foreign {
		metrics[name] = labels
	}
	for _, row := range documentedRow.FindAllStringSubmatch(docs, -1) {
		name, kind := row[1], row[2]
		var labels []string
		for _, label := range strings.Fields(row[3]) {
			labels = append(labels, strings.Trim(label, "`,"))
		}
		if kind != "histogram" {
			metrics[name] = labels
			continue
		}
		metrics[name+"_count"], metrics[name+"_sum"] = labels, labels
		metrics[name+"_bucket"] = append(slices.Clone(labels), "le")
	}
	return metrics
}

// Check fails unless a query can be parsed, and uses metrics and labels that exist.
func (m Metrics) Check(query string) error {
	expression, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		return err
	}
	var problems []error
	known := map[string]bool{}
	for _, label := range targetLabels {
		known[label] = true
	}
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		if selector, ok := node.(*parser.VectorSelector); ok {
			problems = append(problems, m.checkSelector(selector, known))
		}
		return nil
	})
	parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
		if aggregate, ok := node.(*parser.AggregateExpr); ok {
			for _, label := range aggregate.Grouping {
				if !known[label] {
					problems = append(problems, fmt.Errorf("nothing has a label %s to group by", label))
				}
			}
		}
		return nil
	})
	return errors.Join(problems...)
}

// checkSelector checks a selector, and adds the labels that its series have.
func (m Metrics) checkSelector(selector *parser.VectorSelector, known map[string]bool) error {
	has, ok := m[selector.Name]
	if !ok {
		return fmt.Errorf("there is no metric %q", selector.Name)
	}
	for _, label := range has {
		known[label] = true
	}
	for _, matcher := range selector.LabelMatchers {
		if matcher.Name != labels.MetricName && !slices.Contains(has, matcher.Name) && !slices.Contains(targetLabels, matcher.Name) {
			return fmt.Errorf("metric %s has no label %s", selector.Name, matcher.Name)
		}
	}
	return nil
}
