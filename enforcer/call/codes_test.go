package call_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// codeArgument is which argument of the functions that make errors is the code.
var codeArgument = map[string]int{"refuseWith": 2, "RefuseWith": 2, "providerFault": 0, "aboutCall": 2}

// TestCodesAreDocumented: the table of outcomes in docs/http.md has every error code that
// callers can get, and no other; so has the table of headers the fields of Bursar's own.
func TestCodesAreDocumented(t *testing.T) {
	codes, headers := map[string]bool{}, map[string]bool{}
	for _, dir := range []string{".", "../proxy", "../identity", "../../api/identity/identify", "../protocol"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no source in %s: %v", dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool { note(n, codes, headers); return true })
		}
	}
	docs, err := os.ReadFile("../../docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	outcomes := section(string(docs), "## Outcomes")
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\|[^|]*\\|[^|]*\\| `([a-z_]+)` \\|").FindAllStringSubmatch(outcomes, -1) {
		documented[row[1]] = true
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(codes)), slices.Sorted(maps.Keys(documented))); diff != "" || len(codes) < 20 {
		t.Errorf("error codes of the code (-) and of docs/http.md (+):\n%s", diff)
	}
	fields := section(string(docs), "## Headers")
	for name := range headers {
		if !strings.Contains(fields, "| `"+strings.ToLower(name)) {
			t.Errorf("docs/http.md does not say what the field %s means", name)
		}
	}
	if !headers["X-Bursar-Would-Refuse"] {
		t.Errorf("the fields of Bursar's own are not found: %v", slices.Sorted(maps.Keys(headers)))
	}
}

// note notes the codes and fields that a node of the source names.
func note(n ast.Node, codes, headers map[string]bool) {
	text := func(e ast.Expr) string {
		literal, ok := e.(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return ""
		}
		value, _ := strconv.Unquote(literal.Value) // it was parsed
		return value
	}
	add := func(e ast.Expr) {
		if code := text(e); regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`).MatchString(code) {
			codes[code] = true
		}
	}
	switch n := n.(type) {
	case *ast.CallExpr:
		name := ""
		switch f := n.Fun.(type) {
		case *ast.Ident:
			name = f.Name
		case *ast.SelectorExpr:
			name = f.Sel.Name
		}
		if i, ok := codeArgument[name]; ok && i < len(n.Args) {
			add(n.Args[i])
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Code" {
			add(n.Value)
		}
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			if field, ok := left.(*ast.SelectorExpr); ok && field.Sel.Name == "Code" && i < len(n.Rhs) {
				add(n.Rhs[i])
			}
		}
	case *ast.ValueSpec:
		for i, name := range n.Names {
			if i >= len(n.Values) {
				continue
			}
			if strings.HasPrefix(name.Name, "code") {
				add(n.Values[i])
			}
			if field := text(n.Values[i]); strings.HasPrefix(field, "X-Bursar-") {
				headers[field] = true
			}
		}
	}
}

// section is the text below a heading.
func section(text, heading string) string {
	_, below, _ := strings.Cut(text, heading+"\n")
	below, _, _ = strings.Cut(below, "\n## ")
	return below
}
