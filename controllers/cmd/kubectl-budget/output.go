package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"sigs.k8s.io/yaml"
)

// The formats of -o.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
)

// addOutput adds -o with some formats, the first of which is the default.
func addOutput(cmd *cobra.Command, format *string, formats ...string) {
	cmd.Flags().StringVarP(format, "output", "o", formats[0], "output format: "+strings.Join(formats, ", "))
	completeWith(cmd, "output", formats)
	check := func(_ *cobra.Command, _ []string) error {
		if !slices.Contains(formats, *format) {
			return usageError{fmt.Errorf("-o %s: must be one of %s", *format, strings.Join(formats, ", "))}
		}
		return nil
	}
	cmd.PreRunE = check
}

// completeWith has the shell complete the value of a flag with words.
func completeWith(cmd *cobra.Command, flag string, words []string) {
	complete := func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		return starting(words, prefix), cobra.ShellCompDirectiveNoFileComp
	}
	if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
		panic(err) // there is no such flag
	}
}

func starting(names []string, prefix string) []string {
	var found []string
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// writeObject writes a value as JSON or YAML.
func writeObject(w io.Writer, format string, value any) error {
	var text []byte
	var err error
	if format == formatYAML {
		text, err = yaml.Marshal(value)
	} else if text, err = json.MarshalIndent(value, "", "  "); err == nil {
		text = append(text, '\n')
	}
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

// writeFound writes what a command has found as JSON or YAML, or lets it write itself for people.
func writeFound(w io.Writer, format string, found interface{ write(w io.Writer) }) error {
	if format != formatTable {
		return writeObject(w, format, found)
	}
	found.write(w)
	return nil
}

// terminal is the terminal that a writer writes to; nil when there is none.
func terminal(w io.Writer) *os.File {
	if file, ok := w.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		return file
	}
	return nil
}

// colored reports whether to write with colours: on a terminal, unless NO_COLOR is set.
func colored(w io.Writer) bool { return terminal(w) != nil && os.Getenv("NO_COLOR") == "" }

// color is how a terminal shows a text.
type color string

// The colours.
const (
	plain  color = ""
	bold   color = "1"
	red    color = "31"
	green  color = "32"
	yellow color = "33"
)

// cell is a text in a table.
type cell struct {
	text  string
	color color
}

// cells are plain cells.
func cells(texts ...string) []cell {
	row := make([]cell, len(texts))
	for i, text := range texts {
		row[i].text = text
	}
	return row
}

// table is rows of cells, the first of which is the header.
type table [][]cell

// lines are the rows with their columns aligned.
func (t table) lines(colors bool) []string {
	var widths []int
	for _, row := range t {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell.text))
		}
	}
	lines := make([]string, len(t))
	for i, row := range t {
		var line strings.Builder
		for column, cell := range row {
			text := cell.text
			if colors && cell.color != plain {
				text = "\x1b[" + string(cell.color) + "m" + text + "\x1b[0m"
			}
			line.WriteString(text)
			if column < len(row)-1 {
				line.WriteString(strings.Repeat(" ", widths[column]-utf8.RuneCountInString(cell.text)+3))
			}
		}
		lines[i] = strings.TrimRight(line.String(), " ")
	}
	return lines
}

// dispensable are the columns to leave out where there is no room, in this order; the one without
// a name is the bar.
var dispensable = []string{"", "HELD", "EXHAUSTS", "RESETS", "AMOUNT", "READY", "NAMESPACE", "SPENT"}

// fit makes the table fit into so many columns of a terminal: it keeps only the first word of the
// cells in the last column, then leaves out columns, then cuts off the longest cells.
func (t table) fit(width int) table {
	if t.width() <= width {
		return t
	}
	t = t.withShortEnds()
	for _, name := range dispensable {
		if t.width() <= width {
			return t
		}
		t = t.without(name)
	}
	return t.cut(width)
}

func (t table) width() (widest int) {
	for _, line := range t.lines(false) {
		widest = max(widest, utf8.RuneCountInString(line))
	}
	return widest
}

// withShortEnds keeps only the first word of the cells in the last column.
func (t table) withShortEnds() table {
	short := make(table, len(t))
	for i, row := range t {
		short[i] = slices.Clone(row)
		last := &short[i][len(row)-1]
		last.text, _, _ = strings.Cut(last.text, " ")
	}
	return short
}

// without is the table without the named column.
func (t table) without(name string) table {
	column := slices.IndexFunc(t[0], func(c cell) bool { return c.text == name })
	if column < 0 {
		return t
	}
	rest := make(table, len(t))
	for i, row := range t {
		rest[i] = slices.Delete(slices.Clone(row), column, column+1)
	}
	return rest
}

// cut cuts the widest cells until the lines fit.
func (t table) cut(width int) table {
	const shortest = 6
	for most := width; t.width() > width && most >= shortest; most-- {
		for _, row := range t {
			for i := range row {
				row[i].text = clipped(row[i].text, most)
			}
		}
	}
	return t
}

// clipped is a text of at most so many characters.
func clipped(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}

// write writes the table, line by line.
func (t table) write(w io.Writer) {
	for _, line := range t.lines(colored(w)) {
		fmt.Fprintln(w, line)
	}
}

// writeUnknown writes what cannot be known, if anything.
func writeUnknown(w io.Writer, unknown []string) {
	if len(unknown) > 0 {
		fmt.Fprintln(w, "\nUnknown:")
	}
	for _, what := range unknown {
		fmt.Fprintln(w, "-", what)
	}
}

// moment is a time as it is printed, to the second; "-" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}
