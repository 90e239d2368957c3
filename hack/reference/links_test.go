package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/bursar-dev/bursar/hack/testkit"
)

const root = "../.."

var (
	codeBlock = regexp.MustCompile("(?ms)^ *```.*?^ *```")
	// Regular expressions in code look like links.
	codeSpan = regexp.MustCompile("`[^`\n]*`")
	heading  = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	linkTo   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
)

// TestLinks: every link of a page to a file of this repository, or to a heading, leads there.
func TestLinks(t *testing.T) {
	checked := 0
	for _, page := range pages(t) {
		text := codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(read(t, page), ""), "")
		for _, link := range linkTo.FindAllStringSubmatch(text, -1) {
			if strings.Contains(link[1], "://") || strings.HasPrefix(link[1], "mailto:") {
				continue
			}
			checked++
			if why := broken(t, page, link[1]); why != "" {
				t.Errorf("%s links to %s: %s", strings.TrimPrefix(page, root+"/"), link[1], why)
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d links were found", checked)
	}
}

// pages are those that people read, of the whole repository.
func pages(t *testing.T) (paths []string) {
	t.Helper()
	testkit.Must(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "node_modules" || len(entry.Name()) > 2 && entry.Name()[0] == '.') {
			return filepath.SkipDir
		}
		if filepath.Ext(path) == ".md" {
			paths = append(paths, path)
		}
		return nil
	}))
	return paths
}

func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	testkit.Must(t, err)
	return string(content)
}

// broken is why a page's link leads nowhere; empty if it does not.
func broken(t *testing.T, page, link string) string {
	t.Helper()
	path, anchor, _ := strings.Cut(link, "#")
	target := page
	if path != "" {
		target = filepath.Join(filepath.Dir(page), path)
	}
	if _, err := os.Stat(target); err != nil {
		return "there is no such file"
	}
	if anchor != "" && filepath.Ext(target) == ".md" && !slices.Contains(anchors(read(t, target)), anchor) {
		return "there is no such heading"
	}
	return ""
}

// anchors are what GitHub calls a page's headings, of which no two are the same.
func anchors(page string) (all []string) {
	for _, found := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
				return unicode.ToLower(r)
			}
			return -1
		}, strings.TrimSpace(found[1])))
	}
	return all
}
