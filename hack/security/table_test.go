// Package security checks that the tests exist that the table in SECURITY.md names: each row
// says something that a test shows.
package security

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bursar-dev/bursar/hack/testkit"
)

const root = "../.."

// row is what a row of the table says.
type row struct{ who, tries, happens, test string }

// rows reads the table below a heading.
func rows(t *testing.T, text, heading string) (all []row) {
	t.Helper()
	_, text, found := strings.Cut(text, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("SECURITY.md has no section %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|-") || strings.HasPrefix(line, "| who |") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 {
			t.Fatalf("a row has %d cells, want 4: %s", len(cells), line)
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		all = append(all, row{cells[0], cells[1], cells[2], cells[3]})
	}
	return all
}

// exists reports whether a test exists: "file:Function", "file:Function/case of its table", or
// "file:what a Ginkgo spec says".
func exists(test string) bool {
	file, name, _ := strings.Cut(test, ":")
	source, err := os.ReadFile(filepath.Join(root, file))
	if err != nil || !strings.HasSuffix(file, "_test.go") || name == "" {
		return false
	}
	if !strings.HasPrefix(name, "Test") {
		return regexp.MustCompile(`\b(It|DescribeTable)\("` + regexp.QuoteMeta(name) + `"`).Match(source)
	}
	function, row, isRow := strings.Cut(name, "/")
	_, body, found := strings.Cut(string(source), "\nfunc "+function+"(t *testing.T) {\n")
	body, _, _ = strings.Cut(body, "\n}\n")
	return found && (!isRow || strings.Contains(body, `"`+row+`":`) || strings.Contains(body, `t.Run("`+row+`"`))
}

// TestEachRowIsATest: every row names a test that exists, and no test shows two rows.
func TestEachRowIsATest(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	testkit.Must(t, err)
	seen := map[string]bool{}
	all := rows(t, string(text), "What those who write in a namespace can do to others")
	if len(all) < 40 {
		t.Errorf("the table has %d rows", len(all))
	}
	for _, r := range all {
		if !exists(r.test) {
			t.Errorf("%s: %s: there is no test %s", r.who, r.tries, r.test)
		}
		if seen[r.test] {
			t.Errorf("%s shows two rows", r.test)
		}
		seen[r.test] = true
	}
}

// TestExists: the check finds what is not there.
func TestExists(t *testing.T) {
	const file = "hack/security/table_test.go"
	for test, want := range map[string]bool{
		file + ":TestExists": true, "api/reach/policy_test.go:TestApplies/by other labels": true,
		file + ":TestExist": false, "api/reach/policy_test.go:TestApplies/by all labels": false, "hack/security/none_test.go:TestExists": false,
		file + ":": false, file: false, file + ":says nothing": false, "SECURITY.md:TestExists": false,
		"controllers/setup/orphans_test.go:is withdrawn at once": true, "controllers/setup/orphans_test.go:is withdrawn": false,
	} {
		if got := exists(test); got != want {
			t.Errorf("%s exists: %t, want %t", test, got, want)
		}
	}
}
