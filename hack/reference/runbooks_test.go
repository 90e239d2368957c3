package main

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/bursar-dev/bursar/hack/testkit"
)

// runbooks is where alerts say that their sections are.
const runbooks = "https://github.com/bursar-dev/bursar/blob/main/docs/runbooks.md#"

// TestRunbooks: each alert has a section in docs/runbooks.md, to which it links, and each section
// is an alert's, in their order.
func TestRunbooks(t *testing.T) {
	var rules struct {
		Spec struct {
			Groups []struct {
				Rules []struct {
					Alert       string
					Annotations map[string]string
				}
			}
		}
	}
	testkit.Must(t, yaml.Unmarshal([]byte(read(t, root+"/config/prometheus/rules.yaml")), &rules))
	var alerts []string
	for _, group := range rules.Spec.Groups {
		for _, rule := range group.Rules {
			alerts = append(alerts, rule.Alert)
			if want := runbooks + strings.ToLower(rule.Alert); rule.Annotations["runbook_url"] != want {
				t.Errorf("%s: runbook_url is %q, want %q", rule.Alert, rule.Annotations["runbook_url"], want)
			}
		}
	}
	page := read(t, root+"/docs/runbooks.md")
	var sections []string
	for _, found := range regexp.MustCompile(`(?m)^## (\w+)$`).FindAllStringSubmatch(page, -1) {
		sections = append(sections, found[1])
	}
	if !slices.Equal(alerts, sections) {
		t.Errorf("the alerts are\n%q\nand the runbooks\n%q", alerts, sections)
	}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(page, -1) {
		if !isTest(t, name) {
			t.Errorf("there is no %s", name)
		}
	}
}

// isTest is whether a test has a name, where runbooks are tried.
func isTest(t *testing.T, name string) bool {
	t.Helper()
	for _, directory := range []string{"/hack/e2e", "/enforcer/cmd/enforcer"} {
		files, err := filepath.Glob(root + directory + "/*_test.go")
		testkit.Must(t, err)
		if slices.ContainsFunc(files, func(file string) bool { return strings.Contains(read(t, file), "func "+name+"(") }) {
			return true
		}
	}
	return false
}
