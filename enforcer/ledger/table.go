package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	ledgerv1 "github.com/bursar-dev/bursar/api/ledger/v1"
)

// Database is the connection to Postgres, of a login that may insert into the
// ledger's tables and settle calls late, and needs nothing else. *pgxpool.Pool is one.
type Database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// table is a table to which rows are only added.
type table[T any] struct {
	columns []ledgerv1.Column[T]
	// insertNew inserts rows, and fails if one is there already; insertMissing leaves those out.
	insertNew, insertMissing string
}

var (
	calls    = newTable(ledgerv1.Calls())
	refusals = newTable(ledgerv1.Refusals())
)

// newTable makes a table. A batch is inserted in one statement, with an array as parameter for each column.
// The arrays are unnested in the select list: in the FROM clause, Postgres would first store the result of
// each function, which is slower. ON CONFLICT names no target, because that requires the right to read the
// table.
func newTable[T any](of ledgerv1.Table[T]) table[T] {
	var names, expressions, parameters []string
	for i, c := range of.Columns {
		names, expressions = append(names, c.Name), append(expressions, expression(c))
		parameters = append(parameters, fmt.Sprintf("unnest($%d::%s[]) AS %s", i+1, parameterType(c), c.Name))
	}
	insert := "INSERT INTO " + of.Name + " (" + strings.Join(names, ", ") + ")" +
		" SELECT " + strings.Join(expressions, ", ") + " FROM (SELECT " + strings.Join(parameters, ", ") + ") AS batch"
	return table[T]{of.Columns, insert, insert + " ON CONFLICT DO NOTHING"}
}

// separator stands between the elements of an array. It is a control character, which no name
// contains.
const separator = "\x1f"

// expression is the SQL that makes a column's value from an element of its parameter. Array
// values come as joined strings, because unnest would flatten an array of arrays.
func expression[T any](c ledgerv1.Column[T]) string {
	switch {
	case c.Array:
		return fmt.Sprintf("coalesce(string_to_array(nullif(%s, ''), E'\\x1f'), '{}')", c.Name)
	case c.Type == jsonb:
		return c.Name + "::jsonb"
	}
	return c.Name
}

const jsonb = "jsonb"

// parameterType is the SQL type of the elements of a column's parameter.
func parameterType[T any](c ledgerv1.Column[T]) string {
	if c.Type == jsonb {
		return "text"
	}
	return c.Type
}

// parameter is the value of a column's parameter for a batch.
func parameter[T any](c ledgerv1.Column[T], batch []T) any {
	switch values := c.Values(batch).(type) {
	case []string:
		for i := range values {
			values[i] = text(values[i])
		}
		return values
	case [][]string:
		joined := make([]string, len(values))
		for i := range values {
			joined[i] = text(strings.Join(values[i], separator))
		}
		return joined
	case []json.RawMessage:
		texts := make([]string, len(values))
		for i := range values {
			texts[i] = string(values[i])
		}
		return texts
	default:
		return values
	}
}

// insertWhole inserts a batch, all or nothing, and returns how many rows are new. Rows that are
// there already stay as they are. They are rare, and ON CONFLICT makes Postgres look for them before
// each insert, which is slower: it is used only when the insert without it has failed.
func (t table[T]) insertWhole(ctx context.Context, db Database, batch []T) (inserted int, err error) {
	arguments := make([]any, len(t.columns))
	for i, c := range t.columns {
		arguments[i] = parameter(c, batch)
	}
	tag, err := db.Exec(ctx, t.insertNew, arguments...)
	if isThere(err) {
		tag, err = db.Exec(ctx, t.insertMissing, arguments...)
	}
	return int(tag.RowsAffected()), err
}

// isThere reports whether the database has refused a row because it is there already.
func isThere(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && refusal.Code == uniqueViolation
}

// uniqueViolation is the SQLSTATE of a row that is there already.
const uniqueViolation = "23505"

// rejection is a row that the database will never take, and why.
type rejection[T any] struct {
	row T
	err error
}

// insert inserts a batch, except the rows that the database will never accept, and
// returns how many rows are new. After an error it may have some of the others;
// inserting them again changes nothing.
func (t table[T]) insert(ctx context.Context, db Database, batch []T) (inserted int, rejected []rejection[T], err error) {
	if len(batch) == 0 {
		return 0, nil, nil
	}
	inserted, err = t.insertWhole(ctx, db, batch)
	switch {
	case err == nil:
		return inserted, nil, nil
	case !refusedForGood(err):
		return 0, nil, err
	case len(batch) == 1:
		return 0, []rejection[T]{{batch[0], err}}, nil
	}
	half := len(batch) / 2
	for _, part := range [][]T{batch[:half], batch[half:]} {
		of, bad, err := t.insert(ctx, db, part)
		if err != nil {
			return 0, nil, err
		}
		inserted, rejected = inserted+of, append(rejected, bad...)
	}
	return inserted, rejected, nil
}

// refusedForGood reports whether the database refuses these rows, rather than being
// unable to take any: the SQLSTATE classes 22 (data exceptions) and 23 (violations of
// integrity constraints).
func refusedForGood(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) && (strings.HasPrefix(refusal.Code, "22") || strings.HasPrefix(refusal.Code, "23"))
}

// text is s as Postgres accepts it: valid UTF-8 without NUL. A caller can ask for a
// model of any name, and must not stop the ledger with it.
func text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}
