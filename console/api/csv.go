package api

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// table is an answer that can be written as CSV: it has the same rows as its JSON.
type table interface {
	// head is the names of the columns, and rows their values.
	head() []string
	rows() [][]string
}

const mediaJSON, mediaCSV = "application/json", "text/csv"

// csvFormat writes tables as CSV (RFC 4180), and everything else, such as a Problem, as JSON.
var csvFormat = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		t, ok := v.(table)
		if !ok {
			return json.NewEncoder(w).Encode(v)
		}
		out := csv.NewWriter(w)
		out.UseCRLF = true
		_ = out.Write(t.head()) // Error says it
		for _, row := range t.rows() {
			for i := range row {
				row[i] = harmless(row[i])
			}
			_ = out.Write(row)
		}
		out.Flush()
		return out.Error()
	},
	Unmarshal: func([]byte, any) error { return errors.New("CSV is written and not read") },
}

// harmless is a cell that no spreadsheet takes for a formula: it puts a quote before text that
// begins like one, also in characters of full width, which some spreadsheets take for the same.
// Numbers stay as they are.
func harmless(cell string) string {
	first, _ := utf8.DecodeRuneInString(cell)
	if cell == "" || !strings.ContainsRune("=+-@\t\r\n＝＋－＠", first) || isNumber(cell) {
		return cell
	}
	return "'" + cell
}

func isNumber(cell string) bool {
	digits := strings.TrimPrefix(cell, "-")
	return digits != "" && strings.Trim(digits, "0123456789.") == ""
}
