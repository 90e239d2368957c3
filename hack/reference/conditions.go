package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
)

// writeConditions writes the page of what statuses and Events say, from the blocks of constants
// in a file: each block's comment is its heading, each constant's its meaning.
func writeConditions(file string) error {
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		return err
	}
	var page strings.Builder
	page.WriteString("# Conditions, reasons and Events\n\nWhat `kubectl get`, `kubectl describe` and `kubectl events` show of Bursar's resources.\n")
	for _, declaration := range parsed.Decls {
		block, ok := declaration.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		if err := writeBlock(&page, block); err != nil {
			return err
		}
	}
	return writePage("conditions.md", page.String())
}

func writeBlock(page *strings.Builder, block *ast.GenDecl) error {
	isGroup := block.Lparen.IsValid()
	if isGroup {
		fmt.Fprintf(page, "\n## %s\n\n| word | meaning |\n|---|---|\n", strings.TrimSuffix(plain(block.Doc.Text(), nil), "."))
	}
	for _, spec := range block.Specs {
		constant := spec.(*ast.ValueSpec)
		value, err := strconv.Unquote(constant.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			return err
		}
		if isGroup {
			fmt.Fprintf(page, "| `%s` | %s |\n", value, cell(plain(constant.Doc.Text(), constant)))
		} else {
			fmt.Fprintf(page, "\n`%s`: %s\n", value, plain(block.Doc.Text(), constant))
		}
	}
	return nil
}

// plain is a comment without names that exist only in Go.
func plain(comment string, of *ast.ValueSpec) string {
	text := strings.Join(strings.Fields(comment), " ")
	if of != nil {
		text = strings.TrimPrefix(strings.TrimPrefix(text, of.Names[0].Name+" is "), "that ")
	}
	for _, prefix := range []string{"Condition", "Reason", "Event"} {
		text = withoutPrefix(text, prefix)
	}
	return text
}

// withoutPrefix removes the prefix from each word in which a capital letter follows it.
func withoutPrefix(text, prefix string) string {
	words := strings.Fields(text)
	for i, word := range words {
		if rest, found := strings.CutPrefix(word, prefix); found && rest != "" && rest[0] >= 'A' && rest[0] <= 'Z' {
			words[i] = rest
		}
	}
	return strings.Join(words, " ")
}
