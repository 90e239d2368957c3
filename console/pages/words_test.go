package pages

import (
	"html/template"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/text/language"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
	"github.com/bursar-dev/bursar/hack/testkit"
)

// texts finds what is said in templates and in Go.
var texts = []*regexp.Regexp{
	regexp.MustCompile(`[{( ](?:t|word) ("(?:[^"\\]|\\.)*")`),
	regexp.MustCompile(`[{( ]n [^"]*?("(?:[^"\\]|\\.)*") "`),
	regexp.MustCompile(`[{( ]n [^"]*?"(?:[^"\\]|\\.)*" ("(?:[^"\\]|\\.)*")`),
	regexp.MustCompile(`(?:\.say|\bphrase)\(("(?:[^"\\]|\\.)*")`),
	regexp.MustCompile(`\.count\([^"\n]*, ("(?:[^"\\]|\\.)*"), "`),
	regexp.MustCompile(`\.count\([^"\n]*, "(?:[^"\\]|\\.)*", ("(?:[^"\\]|\\.)*")`),
}

// said are the texts of all pages.
func said(t *testing.T) (all []string) {
	t.Helper()
	sources := map[string][]byte{}
	for _, of := range []struct {
		files fs.FS
		glob  string
	}{{os.DirFS("."), "*.go"}, {embedded, "templates/*.html"}} {
		names, err := fs.Glob(of.files, of.glob)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			if sources[name], err = fs.ReadFile(of.files, name); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, source := range sources {
		for _, pattern := range texts {
			for _, found := range pattern.FindAllSubmatch(source, -1) {
				text, err := strconv.Unquote(string(found[1]))
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, text)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// TestWordsOfTheLedger: each word that the ledger has is said in words that people know.
func TestWordsOfTheLedger(t *testing.T) {
	of := ledgerv1.Words()
	columns := []string{"cost_alerts.action", "cost_alerts.resolution", "ai_usage_logs.outcome", "ai_usage_logs.decision", "ai_refusals.reason"}
	for _, column := range columns {
		if len(of[column]) == 0 {
			t.Errorf("the ledger has no words in %s", column)
		}
		for _, word := range of[column] {
			if _, ok := words[word]; !ok {
				t.Errorf("%s of %s is said as it is", word, column)
			}
		}
	}
}

// TestAlertsOfNoLimit: an alert that is about no limit has no percentage and no amount.
func TestAlertsOfNoLimit(t *testing.T) {
	p := &Pages{locales: map[language.Tag]*locale{}, sets: map[language.Tag]*template.Template{}}
	l := newLocale(language.English)
	set, err := template.New("").Funcs(p.functions(l)).ParseFS(embedded, "templates/*.html")
	testkit.Must(t, err)
	for want, rows := range map[string][]alertRow{
		"–, $40.00, –": {{What: "Unusual spending", Spent: dollarsOf(40e9)}}, "–, –, –": {{What: "Unused key"}},
		"80%, $4.00, $5.00": {{What: "Warning", Limit: "daily", AtPercent: 80, Spent: dollarsOf(4e9), Amount: dollarsOf(5e9)}},
	} {
		var page strings.Builder
		testkit.Must(t, set.ExecuteTemplate(&page, "alerts-table", rows))
		var got []string
		for _, cell := range regexp.MustCompile(`<td class="number[^>]*>(.*?)</td>`).FindAllStringSubmatch(page.String(), -1) {
			got = append(got, regexp.MustCompile(`<span class="sub free"[^>]*>0*</span>|<[^>]*>`).ReplaceAllString(cell[1], ""))
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, want %q", rows[0].What, got, want)
		}
	}
}

// TestEverythingIsSaidInSpanish: no text is in English alone, none has other arguments in
// Spanish, and none is there that nobody says.
func TestEverythingIsSaidInSpanish(t *testing.T) {
	all := said(t)
	if len(all) < 100 {
		t.Fatalf("%d texts were found", len(all))
	}
	for _, text := range all {
		translated, ok := spanish[text]
		switch {
		case text == "%s":
		case !ok:
			t.Errorf("not in Spanish: %q", text)
		case strings.Count(text, "%s") != strings.Count(translated, "%s"):
			t.Errorf("%q has other arguments in Spanish: %q", text, translated)
		}
	}
	for text := range spanish {
		if !slices.Contains(all, text) {
			t.Errorf("nobody says %q", text)
		}
	}
}
