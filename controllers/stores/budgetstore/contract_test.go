package budgetstore_test

import (
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
)

// TestWordsAreThoseOfTheContract: wherever the schema says which words a column may
// hold, the contract declares the same ones, and the other way round.
func TestWordsAreThoseOfTheContract(t *testing.T) {
	const checks = `
SELECT conrelid::regclass::text || '.' || attname, pg_get_constraintdef(c.oid)
FROM pg_constraint AS c JOIN pg_attribute AS a ON attrelid = conrelid AND ARRAY[attnum] = conkey
WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND conparentid = 0 AND coninhcount = 0
  AND pg_get_constraintdef(c.oid) LIKE '%''%'`
	found, err := connectTo(t, migrated(t)).Query(t.Context(), checks)
	if err != nil {
		t.Fatal(err)
	}
	got, column, check := map[string][]string{}, "", ""
	if _, err := pgx.ForEachRow(found, []any{&column, &check}, func() error {
		got[column] = wordsOf(check)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sortedWords(ledgerv1.Words()), sortedWords(got)); diff != "" {
		t.Errorf("words by column (-declared in api/ledger/v1 +in the CHECKs of the schema):\n%s", diff)
	}
}

var literal = regexp.MustCompile(`'([^']*)'`)

// wordsOf are the words of a CHECK, such as "CHECK ((per = ANY (ARRAY['Tenant'::text, 'User'::text])))".
func wordsOf(check string) (words []string) {
	for _, match := range literal.FindAllStringSubmatch(check, -1) {
		words = append(words, match[1])
	}
	return words
}

func sortedWords(words map[string][]string) map[string][]string {
	sorted := maps.Clone(words)
	for column := range sorted {
		sorted[column] = slices.Sorted(slices.Values(sorted[column]))
	}
	return sorted
}

// TestColumnsAreThoseOfTheContract: the tables that enforcers write to have the columns,
// of the types, that the contract declares, and no others.
func TestColumnsAreThoseOfTheContract(t *testing.T) {
	dsn := migrated(t)
	checkTable(t, dsn, ledgerv1.Calls())
	checkTable(t, dsn, ledgerv1.Refusals())
}

func checkTable[T any](t *testing.T, dsn string, table ledgerv1.Table[T]) {
	t.Helper()
	var want []string
	for _, column := range table.Columns {
		kind := map[string]string{"timestamptz": "timestamp with time zone"}[column.Type]
		if kind == "" {
			kind = column.Type
		}
		if column.Array {
			kind += "[]"
		}
		want = append(want, column.Name+" "+kind)
	}
	const written = `
SELECT attname, ' ', format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attname <> ALL ($2)`
	const derived = `SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND atthasdef AND attname = ANY ($2)`
	const amended = `SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND NOT attnotnull AND attname = ANY ($2)`
	conn := connectTo(t, dsn)
	filled := slices.Concat(table.Derived, table.Amended)
	for what, pair := range map[string][2][]string{
		"columns that are written":              {want, rows(t, conn, written, table.Name, filled)},
		"columns that Postgres fills by itself": {table.Derived, rows(t, conn, derived, table.Name, table.Derived)},
		"columns of what is amended":            {table.Amended, rows(t, conn, amended, table.Name, table.Amended)},
	} {
		if diff := cmp.Diff(slices.Sorted(slices.Values(pair[0])), slices.Sorted(slices.Values(pair[1]))); diff != "" {
			t.Errorf("%s of %s (-declared in api/ledger/v1 +in the schema):\n%s", what, table.Name, diff)
		}
	}
}
