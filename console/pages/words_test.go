package pages

import (
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
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
